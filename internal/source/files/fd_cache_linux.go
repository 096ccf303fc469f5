package files

import (
	"container/list"
	"sync"

	"golang.org/x/sys/unix"
)

// fdCache keeps the descriptors used last open, by path. A descriptor in use
// is never closed, so that for moments more than limit may be open.
type fdCache struct {
	limit int

	mu    sync.Mutex // guards what follows and the counts of the descriptors
	byKey map[string]*list.Element
	order *list.List // of *cachedFD, the one used last in front
}

// cachedFD is a descriptor on loan from a cache.
type cachedFD struct {
	key  string
	fd   int
	uses int
	gone bool // no longer in the cache: the last user closes it
}

func newFDCache(limit int) *fdCache {
	return &fdCache{limit: limit, byKey: map[string]*list.Element{}, order: list.New()}
}

// acquire lends the descriptor of key, opened if it is not there. Two callers
// may open the same key at once; the second one's descriptor is closed again.
func (c *fdCache) acquire(key string, open func() (int, error)) (*cachedFD, error) {
	c.mu.Lock()
	if el, ok := c.byKey[key]; ok {
		defer c.mu.Unlock()
		return c.lend(el), nil
	}
	c.mu.Unlock()
	fd, err := open()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[key]; ok {
		unix.Close(fd)
		return c.lend(el), nil
	}
	return c.insert(key, fd), nil
}

// put adds a descriptor that was just opened and lends it; an older one of the
// key is dropped.
func (c *fdCache) put(key string, fd int) *cachedFD {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[key]; ok {
		c.remove(el)
	}
	return c.insert(key, fd)
}

func (c *fdCache) lend(el *list.Element) *cachedFD {
	c.order.MoveToFront(el)
	f := el.Value.(*cachedFD)
	f.uses++
	return f
}

func (c *fdCache) insert(key string, fd int) *cachedFD {
	f := &cachedFD{key: key, fd: fd, uses: 1}
	c.byKey[key] = c.order.PushFront(f)
	for el := c.order.Back(); el != nil && c.order.Len() > c.limit; {
		older := el.Prev()
		if el.Value.(*cachedFD).uses == 0 {
			c.remove(el)
		}
		el = older
	}
	return f
}

// remove takes a descriptor out and closes it as soon as nobody uses it.
func (c *fdCache) remove(el *list.Element) {
	f := c.order.Remove(el).(*cachedFD)
	delete(c.byKey, f.key)
	f.gone = true
	if f.uses == 0 {
		unix.Close(f.fd)
	}
}

// release gives a descriptor back.
func (c *fdCache) release(f *cachedFD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.uses--
	if f.gone && f.uses == 0 {
		unix.Close(f.fd)
	}
}

// drop forgets the descriptor of key, if there is one.
func (c *fdCache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[key]; ok {
		c.remove(el)
	}
}

// clear forgets all descriptors.
func (c *fdCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for el := c.order.Front(); el != nil; {
		next := el.Next()
		c.remove(el)
		el = next
	}
}
