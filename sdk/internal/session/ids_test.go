package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

func emitted(output, key, value string) *taskv1.Op {
	return &taskv1.Op{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: output, Key: key, Value: []byte(value)}}}
}

// named are the ids of messages to one output, in their order.
func named(d *ids, values ...string) []string {
	var ops []*taskv1.Op
	for _, v := range values {
		ops = append(ops, emitted("out", "", v))
	}
	ops, _ = d.name(ops)
	var all []string
	for _, op := range ops {
		all = append(all, op.GetEmit().GetId())
	}
	return all
}

func TestWorkThatIsDoneAgainGetsTheSameIDsInAnyOrder(t *testing.T) {
	t.Parallel()
	first := named(newIDs("run 1", 0), "a", "b", "a", "c")
	again := named(newIDs("run 1", 0), "c", "a", "b", "a")
	slices.Sort(first)
	slices.Sort(again)
	if !slices.Equal(first, again) {
		t.Errorf("first %q, again %q", first, again)
	}
	if len(slices.Compact(first)) != 4 {
		t.Errorf("equal messages share an id: %q", first)
	}
	if !strings.HasPrefix(first[0], "~") || len(first[0]) > IDRoom-4 {
		t.Errorf("id %q", first[0])
	}
}

func TestIDsDifferWithAllThatTheyFollowFrom(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, source := range []string{"run 1", "run 2"} {
		for epoch := range uint64(2) {
			for _, op := range []*taskv1.Op{
				emitted("out", "k", "v"), emitted("ou", "tk", "v"), emitted("out", "", "kv"), emitted("out", "k", "w"), emitted("outk", "", "v"),
			} {
				ops, _ := newIDs(source, epoch).name([]*taskv1.Op{op})
				what := fmt.Sprint(source, epoch, op)
				if other := seen[ops[0].GetEmit().GetId()]; other != "" {
					t.Errorf("%s and %s have one id", what, other)
				}
				seen[ops[0].GetEmit().GetId()] = what
			}
		}
	}
}

func TestAnOpThatIsCommittedTwiceIsTwoMessages(t *testing.T) {
	t.Parallel()
	d := newIDs("run 1", 0)
	op := emitted("out", "", "v")
	first, _ := d.name([]*taskv1.Op{op})
	second, _ := d.name([]*taskv1.Op{op})
	if op.GetEmit().GetId() != "" || first[0].GetEmit().GetId() == second[0].GetEmit().GetId() {
		t.Errorf("the author's op has the id %q, its messages %q and %q", op.GetEmit().GetId(), first[0].GetEmit().GetId(), second[0].GetEmit().GetId())
	}
	own := &taskv1.Op{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: "out", Id: "mine"}}}
	if ops, taken := d.name([]*taskv1.Op{own}); ops[0] != own || taken != nil {
		t.Error("an author's own id is not left alone")
	}
}

func TestACommitThatFailedMayBeTriedAgainWithTheSameIDs(t *testing.T) {
	t.Parallel()
	d := newIDs("run 1", 0)
	ops := []*taskv1.Op{emitted("out", "", "v"), emitted("out", "", "v")}
	first, taken := d.name(ops)
	d.giveBack(taken)
	again, taken := d.name(ops)
	for i := range first {
		if first[i].GetEmit().GetId() != again[i].GetEmit().GetId() {
			t.Errorf("ids %q and %q", first[i].GetEmit().GetId(), again[i].GetEmit().GetId())
		}
	}
	later := named(d, "v") // of another commit, before the failure is known
	d.giveBack(taken)
	if next := named(d, "v"); next[0] == later[0] {
		t.Errorf("two messages have the id %q", next[0])
	}
}

func TestEqualMessagesAfterASaveAreNew(t *testing.T) {
	t.Parallel()
	d := newIDs("run 1", 3)
	before := named(d, "v", "v")
	d.saved()
	after := named(d, "v")
	if slices.Contains(before, after[0]) || d.saves() != 4 {
		t.Errorf("before %q, after %q, %d saves", before, after, d.saves())
	}
	if resumed := named(newIDs("run 1", 4), "v"); resumed[0] != after[0] {
		t.Errorf("the next attempt has %q, want %q", resumed, after)
	}
}

func TestNoIDIsGivenTwiceWhenTooMuchIsCounted(t *testing.T) {
	t.Parallel()
	d := newIDs("run 1", 0)
	d.most = 100
	seen := map[string]bool{}
	for i := range 1000 {
		for _, v := range []string{"tick", fmt.Sprint(i)} {
			id := named(d, v)[0]
			if seen[id] {
				t.Fatalf("the id %q of %q is given twice", id, v)
			}
			seen[id] = true
		}
		if len(d.next) > d.most {
			t.Fatalf("%d bodies are counted", len(d.next))
		}
	}
}

func TestMessagesOfQueuesAndTimesAreDifferentSources(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range [][]*taskv1.Delivery{
		{{Queue: "a", Id: "1"}}, {{Queue: "b", Id: "1"}}, {{Queue: "a", Id: "2"}}, {{Queue: "a", Id: "1", Posted: 5e9}},
		{{Queue: "a", Id: "1"}, {Queue: "a", Id: "2"}},
	} {
		seen[sourceOf(m)] = true
	}
	if len(seen) != 5 {
		t.Errorf("sources %v", seen)
	}
	// What a store keeps of a time is less than a clock tells.
	exact, kept := sourceOf([]*taskv1.Delivery{{Posted: 5_000_123_456}}), sourceOf([]*taskv1.Delivery{{Posted: 5_000_123_000}})
	if exact != kept {
		t.Errorf("%q and %q", exact, kept)
	}
}
