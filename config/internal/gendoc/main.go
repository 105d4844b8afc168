// Command gendoc writes the configuration reference to the file named by its argument.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"federation-agent/config"
)

const readable = 0o644

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gendoc FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}

func write(name string) error {
	var page bytes.Buffer
	if err := config.WriteReference(&page); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, page.Bytes(), readable)
}
