package files

import (
	"os/user"
	"strconv"
	"sync"
)

// owners looks up the names of users and groups, each once.
type owners struct {
	mu     sync.Mutex // guards the maps
	users  map[uint32]string
	groups map[uint32]string
	uids   map[string]lookedUp
	gids   map[string]lookedUp
}

// lookedUp is the id of a name, if the host knows the name.
type lookedUp struct {
	id    uint32
	known bool
}

func newOwners() *owners {
	return &owners{
		users: map[uint32]string{}, groups: map[uint32]string{},
		uids: map[string]lookedUp{}, gids: map[string]lookedUp{},
	}
}

// names gives the names of a user and a group, "" for one the host does not know.
func (o *owners) names(uid, gid uint32) (string, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	userName, ok := o.users[uid]
	if !ok {
		if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
			userName = u.Username
		}
		o.users[uid] = userName
	}
	groupName, ok := o.groups[gid]
	if !ok {
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10)); err == nil {
			groupName = g.Name
		}
		o.groups[gid] = groupName
	}
	return userName, groupName
}

// uid gives the id that the host has for a user's name, else fallback.
func (o *owners) uid(name string, fallback uint32) uint32 {
	return o.id(o.uids, name, fallback, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// gid gives the id that the host has for a group's name, else fallback.
func (o *owners) gid(name string, fallback uint32) uint32 {
	return o.id(o.gids, name, fallback, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func (o *owners) id(known map[string]lookedUp, name string, fallback uint32, look func() (string, error)) uint32 {
	if name == "" {
		return fallback
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	got, ok := known[name]
	if !ok {
		if text, err := look(); err == nil {
			n, err := strconv.ParseUint(text, 10, 32)
			got = lookedUp{id: uint32(n), known: err == nil}
		}
		known[name] = got
	}
	if !got.known {
		return fallback
	}
	return got.id
}
