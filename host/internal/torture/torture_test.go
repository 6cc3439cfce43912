package torture

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

var (
	torture = flag.Duration("torture", 0, "kill for so long, and not only until the usual number of kills is reached")
	seed    = flag.Uint64("seed", 0, "what decides when to kill whom; 0 is a new one, which is printed")
)

func TestMain(m *testing.M) {
	code := m.Run()
	admintest.Clean()
	os.Exit(code)
}

const (
	hosts    = 2               // that are tortured side by side
	patience = 5 * time.Minute // for the usual number of kills
)

// usual is how many kills each host gets, of itself and of its plugins.
func usual() int {
	if testing.Short() {
		return 10
	}
	return 105
}

// Nothing that was acknowledged is lost, nothing moves from queue to queue twice, no slot disappears or runs twice and
// no task runs more often at a time than it may, whenever a host or a plugin is killed.
func TestKillsBreakNoPromise(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	t.Logf("-seed=%d", first)
	var all figures
	var mu sync.Mutex
	t.Run("hosts", func(t *testing.T) {
		for i := range hosts {
			t.Run(fmt.Sprint(i+1), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, rand.New(rand.NewPCG(first, uint64(i))))
				l.torture()
				f := l.judge()
				mu.Lock()
				defer mu.Unlock()
				all.add(f)
			})
		}
	})
	t.Log(all)
	if least := hosts * usual(); *torture == 0 && all.kills() < least && !t.Failed() {
		t.Errorf("there were %d kills; want %d at least", all.kills(), least)
	}
}

// figures is what one torture was like.
type figures struct {
	hostKills, bootKills, pluginKills, stops int
	posted, repeated, handled, redelivered   int
	runs, skipped, faults                    int
}

func (f figures) kills() int { return f.hostKills + f.bootKills + f.pluginKills }

func (f *figures) add(g figures) {
	f.hostKills, f.bootKills, f.pluginKills, f.stops = f.hostKills+g.hostKills, f.bootKills+g.bootKills, f.pluginKills+g.pluginKills, f.stops+g.stops
	f.posted, f.repeated, f.handled, f.redelivered = f.posted+g.posted, f.repeated+g.repeated, f.handled+g.handled, f.redelivered+g.redelivered
	f.runs, f.skipped, f.faults = f.runs+g.runs, f.skipped+g.skipped, f.faults+g.faults
}

func (f figures) String() string {
	return fmt.Sprintf("%d kills (%d of hosts at work, %d of hosts that began, %d of plugins) and %d stops; "+
		"%d messages acknowledged over the API (%d were posted again), %d handlings, %d of them again; %d runs, %d slots that did not run; %d faults",
		f.kills(), f.hostKills, f.bootKills, f.pluginKills, f.stops, f.posted, f.repeated, f.handled, f.redelivered, f.runs, f.skipped, f.faults)
}
