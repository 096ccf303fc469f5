// Package hostile tests the real program against what goes wrong around it: bad
// input, damaged or full or missing stores, wrong keys, kills. Every message of
// such a case stands in a golden file, to be read as a new user would read it.
package hostile
