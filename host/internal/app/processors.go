package app

import (
	"os"
	"runtime"
	"sync"
)

// spareProcessor lets one thread more run at a time than there are processors. While a process is begun, Go keeps the thread that does it
// from its other work until the new one has come as far as its own program, which takes milliseconds on a busy machine, and with two
// processors that would be half of the host. GOMAXPROCS in the environment wins.
var spareProcessor = sync.OnceFunc(func() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
})
