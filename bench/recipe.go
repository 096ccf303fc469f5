package main

import "strconv"

// engineRecipe drives this engine. Verification after encoding is part of
// every backup and cannot be switched off.
type engineRecipe struct{}

func (engineRecipe) version() []string { return []string{"version"} }

func (engineRecipe) call(p place, args ...string) command {
	return p.command(append([]string{"--data", p.in("data"), "--progress", "none", "--quiet"}, args...)...)
}

func (r engineRecipe) prepare(p place) []command {
	return []command{
		r.call(p, "vault", "create", "bench", "file://"+p.store+"?immutable-flag=off", "--recovery-kit", p.in("kit.txt")),
		r.call(p, "source", "create", "corpus", p.source, "--vault", "bench"),
	}
}

func (r engineRecipe) backup(p place, _ int) command { return r.call(p, "backup", "run", "corpus") }

func (r engineRecipe) restore(p place, _ int, to string) command {
	return r.call(p, "restore", "run", "latest:corpus", "--to", to)
}

func (r engineRecipe) verify(p place) command { return r.call(p, "vault", "verify", "bench") }

// resticRecipe speaks to restic from 0.14 on, the first with compression.
type resticRecipe struct{}

func (resticRecipe) version() []string { return []string{"version"} }

func (resticRecipe) call(p place, args ...string) command {
	c := p.command(append([]string{"--repo", p.store, "--cache-dir", p.in("cache"), "--quiet"}, args...)...)
	c.env = p.env("RESTIC_PASSWORD=" + passphrase)
	return c
}

func (r resticRecipe) prepare(p place) []command {
	return []command{r.call(p, "init", "--repository-version", "2")}
}

func (r resticRecipe) backup(p place, _ int) command {
	return r.call(p, "backup", "--host", "bench", p.source)
}

func (r resticRecipe) restore(p place, _ int, to string) command {
	return r.call(p, "restore", "latest", "--target", to)
}

func (r resticRecipe) verify(p place) command { return r.call(p, "check", "--read-data") }

// borgRecipe speaks to borg 1.2 and later 1.x.
type borgRecipe struct{}

func (borgRecipe) version() []string { return []string{"--version"} }

func (borgRecipe) call(p place, args ...string) command {
	c := p.command(args...)
	c.env = p.env("BORG_PASSPHRASE="+passphrase, "BORG_BASE_DIR="+p.in("base"),
		"BORG_RELOCATED_REPO_ACCESS_IS_OK=yes", "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES")
	return c
}

func (borgRecipe) archive(p place, n int) string { return p.store + "::state-" + strconv.Itoa(n) }

func (r borgRecipe) prepare(p place) []command {
	return []command{r.call(p, "init", "--encryption", "repokey", p.store)}
}

func (r borgRecipe) backup(p place, n int) command {
	return r.call(p, "create", "--compression", "zstd,1", r.archive(p, n), p.source)
}

func (r borgRecipe) restore(p place, n int, to string) command {
	c := r.call(p, "extract", r.archive(p, n))
	c.dir = to
	return c
}

func (r borgRecipe) verify(p place) command { return r.call(p, "check", "--verify-data", p.store) }

// kopiaRecipe speaks to kopia from 0.15 on.
type kopiaRecipe struct{}

func (kopiaRecipe) version() []string { return []string{"--version"} }

func (kopiaRecipe) call(p place, args ...string) command {
	c := p.command(append(args, "--log-dir="+p.in("log"), "--no-progress")...)
	c.env = p.env("KOPIA_PASSWORD="+passphrase, "KOPIA_CONFIG_PATH="+p.in("repository.config"),
		"KOPIA_CACHE_DIRECTORY="+p.in("cache"), "KOPIA_CHECK_FOR_UPDATES=false", "KOPIA_USE_KEYRING=false",
		"KOPIA_PERSIST_CREDENTIALS_ON_CONNECT=false")
	return c
}

func (r kopiaRecipe) prepare(p place) []command {
	return []command{
		r.call(p, "repository", "create", "filesystem", "--path="+p.store, "--encryption=AES256-GCM-HMAC-SHA256"),
		r.call(p, "policy", "set", "--global", "--compression=zstd-fastest"),
	}
}

func (r kopiaRecipe) backup(p place, _ int) command {
	return r.call(p, "snapshot", "create", p.source)
}

func (r kopiaRecipe) restore(p place, _ int, to string) command {
	return r.call(p, "restore", p.source, to, "--snapshot-time=latest")
}

func (r kopiaRecipe) verify(p place) command {
	return r.call(p, "snapshot", "verify", "--verify-files-percent=100")
}

// plakarRecipe speaks to plakar from 1.1 on.
type plakarRecipe struct{}

func (plakarRecipe) version() []string { return []string{"version"} }

func (plakarRecipe) call(p place, args ...string) command {
	c := p.command(append([]string{"-quiet", "at", p.store}, args...)...)
	c.env = p.env("PLAKAR_PASSPHRASE=" + passphrase)
	return c
}

// prepare first tells plakar, in its own home, not to ask a server for updates.
func (r plakarRecipe) prepare(p place) []command {
	return []command{p.command("-disable-security-check"), r.call(p, "create")}
}

func (r plakarRecipe) backup(p place, _ int) command { return r.call(p, "backup", p.source) }

// restore runs in the source: without the name of a snapshot, plakar takes the
// newest of the folder it runs in.
func (r plakarRecipe) restore(p place, _ int, to string) command {
	c := r.call(p, "restore", "-to", to)
	c.args = append([]string{"sh", "-c", `cd "$1" && shift && exec "$@"`, "sh", p.source}, c.args...)
	return c
}

func (r plakarRecipe) verify(p place) command { return r.call(p, "check") }
