package tree

// Join adds a name to a path relative to a root; "" is the root.
func Join(path string, name []byte) string {
	if path == "" {
		return string(name)
	}
	return path + "/" + string(name)
}
