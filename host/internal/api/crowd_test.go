package api

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestItIsKnownHowFullAListenerIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all Crowds
		l, knock, in := hall(Listening{Most: 2})
		all.watch("host.ingress.listen", "127.0.0.1:7490", l)
		is := func(held int, cut, delayed uint64) {
			t.Helper()
			synctest.Wait()
			want := Crowd{Listener: "ingress", Address: "127.0.0.1:7490", Held: held, Most: 2, Cut: cut, Delayed: delayed}
			if got := all.Look(); len(got) != 1 || got[0] != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		is(0, 0, 0)
		knock()
		knock()
		a, b := <-in, <-in
		is(2, 0, 0)
		knock()
		time.Sleep(time.Minute) // it tries again and again, and is one that waits
		is(2, 0, 1)
		a.busy()
		a.done()
		c := <-in
		is(2, 1, 1)
		for _, g := range []*guest{b, c} {
			g.Close()
		}
		is(0, 1, 1)
		l.Close()
		<-in
	})
}

func TestAListenerIsKnownByItsBlockAndAddress(t *testing.T) {
	t.Parallel()
	var all Crowds
	l, err := Listen(t.Context(), "127.0.0.1:0", Listening{Attribute: "host.admin.listen", Most: 7, Crowds: &all})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := all.Look(); len(got) != 1 || got[0] != (Crowd{Listener: "admin", Address: l.Addr().String(), Most: 7}) {
		t.Errorf("%+v", got)
	}
}
