package cli

import (
	"strings"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestChangesOfTheClocksAreFound(t *testing.T) {
	t.Parallel()
	all := clockChanges(zone(t, "Europe/Berlin"), utc(t, "2027-01-01T00:00:00Z"), utc(t, "2028-01-01T00:00:00Z"))
	if len(all) != 2 {
		t.Fatalf("%v", all)
	}
	if got, want := all[0].String(), "Europe/Berlin: clocks go forward by 1h, 02:00 CET → 03:00 CEST"; got != want || !all[0].At.Equal(utc(t, "2027-03-28T01:00:00Z")) {
		t.Errorf("%s at %s", got, all[0].At)
	}
	if got, want := all[1].String(), "Europe/Berlin: clocks go back by 1h, 03:00 CEST → 02:00 CET"; got != want {
		t.Errorf("%s", got)
	}
	// Not at the end of the span, and not where only the name of the time changes.
	if all := clockChanges(zone(t, "Europe/Berlin"), utc(t, "2027-01-01T00:00:00Z"), utc(t, "2027-03-28T01:00:00Z")); len(all) != 0 {
		t.Errorf("%v", all)
	}
	if all := clockChanges(time.UTC, utc(t, "2027-01-01T00:00:00Z"), utc(t, "2099-01-01T00:00:00Z")); len(all) != 0 {
		t.Errorf("%v", all)
	}
	// Half an hour.
	all = clockChanges(zone(t, "Australia/Lord_Howe"), utc(t, "2027-01-01T00:00:00Z"), utc(t, "2027-12-31T00:00:00Z"))
	if len(all) != 2 || all[0].By != -1800 {
		t.Errorf("%v", all)
	}
}

func TestASlotSaysWhatIsOddAboutItsTime(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for at, want := range map[string]string{
		"2027-03-28T01:00:00Z": "forward", // 02:30 does not exist: it runs now
		"2027-03-28T01:30:00Z": "",        // 03:30 is a time like any other
		"2027-10-31T00:30:00Z": "first",   // 02:30 CEST, which comes again as CET
		"2027-10-31T01:30:00Z": "second",  // 02:30 CET
		"2027-10-30T23:59:00Z": "",        // 01:59 CEST comes once
		"2027-10-31T02:00:00Z": "",        // and so does 03:00 CET
		"2027-07-01T00:00:00Z": "",
	} {
		if got := oddClock(utc(t, at), berlin); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", at, got, want)
		}
	}
	if got := oddClock(utc(t, "2027-07-01T00:00:00Z"), time.UTC); got != "" {
		t.Errorf("in UTC: %q", got)
	}
}
