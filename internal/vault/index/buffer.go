package index

import "io"

// InMemory makes a table of segments without a file.
func InMemory(segments ...Named) (*Table, error) {
	var inputs []Input
	for _, s := range segments {
		inputs = append(inputs, s)
	}
	return inMemory(inputs)
}

// Temporary makes a table of segments that ends with the program: in a file,
// if it is not small and one can be written.
func Temporary(segments ...Named) (*Table, error) {
	s, err := OpenStore("")
	if err == nil {
		err = s.Add(segments...)
	}
	if err != nil {
		return InMemory(segments...)
	}
	return s.Tables()[0], nil
}

func inMemory(inputs []Input) (*Table, error) {
	b := &buffer{}
	if err := Merge(b, inputs...); err != nil {
		return nil, err
	}
	return openTable(b, int64(len(b.data)), b.data)
}

// buffer is a file in memory.
type buffer struct {
	data []byte
	at   int64
}

func (b *buffer) Seek(off int64, _ int) (int64, error) {
	b.at = off
	return off, nil
}

func (b *buffer) Write(p []byte) (int, error) {
	if end := int(b.at) + len(p); end > len(b.data) {
		b.data = append(b.data, make([]byte, end-len(b.data))...)
	}
	copy(b.data[b.at:], p)
	b.at += int64(len(p))
	return len(p), nil
}

func (b *buffer) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b.data)) {
		return 0, io.EOF
	}
	n := copy(p, b.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
