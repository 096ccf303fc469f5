// Command counterfoil-verify checks, offline and without trusting the server,
// what Counterfoil wrote. It is for auditors: it links no SQL, cloud or web
// code and can be read in a day.
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
