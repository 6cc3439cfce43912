package e2e

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
)

// aged makes an empty file that was last changed so many days ago.
func (k *kitchen) aged(name string, days int) {
	k.t.Helper()
	path := filepath.Join(k.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		k.t.Fatal(err)
	}
	write(k.t, path, "")
	then := time.Now().AddDate(0, 0, -days)
	if err := os.Chtimes(path, then, then); err != nil {
		k.t.Fatal(err)
	}
}

// names are the files that match a pattern, in order.
func (k *kitchen) names(pattern string) (names []string) {
	k.t.Helper()
	paths, err := filepath.Glob(filepath.Join(k.Dir, pattern))
	if err != nil {
		k.t.Fatal(err)
	}
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

// The place for dumps refuses the first; the second try arrives whole.
func dumpIsUploaded(t *testing.T, k *kitchen) {
	k.needs("curl")
	var puts atomic.Int32
	arrived := make(chan string, 1)
	place := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if puts.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		zipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		text, err := io.ReadAll(zipped)
		arrived <- fmt.Sprint(r.Method, " ", filepath.Dir(r.URL.Path), " ", string(text), err)
	}))
	t.Cleanup(place.Close)
	k.open(map[string]string{"upload_to": place.URL + "/backups"}, nil)
	for n := range 9 {
		k.aged(fmt.Sprintf("dumps/old-%d.sql.gz", n), n+1)
	}
	k.does("taskhost task run dump -wait 30s", "succeeded")
	if up := k.UntilRun("upload", "succeeded"); len(up.Attempts) != 2 {
		t.Errorf("the upload had %d attempts", len(up.Attempts))
	}
	if got, want := <-arrived, "PUT /backups "+k.file("shop.sql")+"<nil>"; got != want {
		t.Errorf("arrived: %q, want %q", got, want)
	}
	k.UntilRun("prune", "succeeded")
	if left := k.names("dumps/*.gz"); len(left) != 7 || !strings.HasPrefix(left[6], "shop-") {
		t.Errorf("these dumps are left: %v", left)
	}
	k.does("taskhost runs list upload", "succeeded")
	k.does("taskhost runs list prune", "succeeded")
}

func logsArePruned(t *testing.T, k *kitchen) {
	k.open(nil, nil)
	k.aged("logs/new.log", 0)
	k.aged("logs/old.log", 2)
	for days := 15; days < 20; days++ {
		k.aged(fmt.Sprintf("logs/%d.log.gz", days), days)
	}
	k.does("taskhost task run compress -wait 30s", "succeeded")
	k.UntilRun("prune", "succeeded")
	if diff := cmp.Diff([]string{"15.log.gz", "16.log.gz", "new.log", "old.log.gz"}, k.names("logs/*")); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	k.does("taskhost runs list prune", "succeeded")
	k.does("taskhost task state prune", "kept_files")
}

func certificateIsRenewed(t *testing.T, k *kitchen) {
	k.needs("openssl")
	k.open(nil, nil)
	k.does("taskhost task run renew -wait 30s", "succeeded")
	current := filepath.Join(k.Dir, "tls", "current")
	pair, err := tls.LoadX509KeyPair(filepath.Join(current, "cert.pem"), filepath.Join(current, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Leaf.VerifyHostname("shop.example"); err != nil || time.Until(pair.Leaf.NotAfter) < 80*24*time.Hour {
		t.Errorf("the certificate holds until %v, %v", pair.Leaf.NotAfter, err)
	}
	k.UntilRun("reload", "succeeded")
	k.does("taskhost task state renew", "expires")
	if again := run(t, k.Host, "renew", admin.RunRequest{}); again.Outcome != "skipped" {
		t.Errorf("with 90 days left: %s %+v", again.Outcome, again.Error)
	}
	if err := os.RemoveAll(filepath.Join(k.Dir, "tls")); err != nil {
		t.Fatal(err)
	}
	k.does("taskhost task run renew -wait 30s", "succeeded")
	// Runs follow in order: the one after the skipped run would stand here, too.
	if runs := untilRuns(k.Host, 2, ended("reload")); len(runs) != 2 {
		t.Errorf("reload ran %d times for 2 certificates", len(runs))
	}
	k.does("taskhost runs list reload", "succeeded")
}

func batchGoesOn(t *testing.T, k *kitchen) {
	k.open(nil, nil)
	k.does("taskhost task run batch")
	k.Until("three items are done", func(ctx context.Context) error {
		if done := strings.Count(k.file("done.txt"), "\n"); done < 3 {
			return fmt.Errorf("%d are", done)
		}
		return nil
	})
	k.does("taskhost task restart batch -wait 30s")
	r := k.UntilRun("batch", "succeeded")
	if len(r.Attempts) != 2 || r.Attempts[0].Outcome != "interrupted" {
		t.Errorf("%d attempts, the first %s: %+v", len(r.Attempts), r.Attempts[0].Outcome, r.Attempts[0].Error)
	}
	items, done := strings.Fields(k.file("items.txt")), strings.Fields(k.file("done.txt"))
	again := len(done) - len(items)
	if again < 0 || again > 1 {
		t.Errorf("of %d items one at most is done again, %v", len(items), done)
	}
	if diff := cmp.Diff(items, slices.Compact(done)); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	k.does("taskhost runs list batch", "succeeded")
}
