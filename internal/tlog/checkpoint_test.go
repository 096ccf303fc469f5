package tlog

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// specExample is the checkpoint printed in the tlog-checkpoint specification.
const specExample = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`

func TestParseCheckpoint_SpecificationExample(t *testing.T) {
	c, err := ParseCheckpoint([]byte(specExample))
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != "example.com/behind-the-sofa" || c.Size != 20852163 || c.Root.String() != "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=" ||
		len(c.Keys) != 1 || c.Keys[0].String() != "example.com/behind-the-sofa+033de0ae" {
		t.Errorf("%+v", c)
	}
}

func TestParseCheckpoint_RefusesOtherSpellings(t *testing.T) {
	for name, change := range map[string][2]string{
		"leading zero":       {"\n2085", "\n02085"},
		"plus":               {"\n2085", "\n+2085"},
		"negative":           {"\n2085", "\n-2085"},
		"too large":          {"\n2085", "\n999999999999999999992085"},
		"short root":         {"CsUY", ""},
		"spare bits of root": {"q2I=", "q2J="},
		"spare bits of sig":  {"YQ8=", "YQ9="},
		"empty line":         {"q2I=\n", "q2I=\n\nx\n"},
		"no origin":          {"example.com/behind-the-sofa\n2", "\n2"},
		"no signature":       {"— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n", ""},
		"carriage return":    {"\n2085", "\r\n2085"},
		"no root":            {"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", ""},
	} {
		bad := strings.Replace(specExample, change[0], change[1], 1)
		if bad == specExample {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := ParseCheckpoint([]byte(bad)); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	extended := strings.Replace(specExample, "q2I=\n", "q2I=\nan extension\n", 1)
	if _, err := ParseCheckpoint([]byte(extended)); err != nil {
		t.Errorf("extension line: %v", err)
	}
}

func TestKey_RoundTrip(t *testing.T) {
	// Many keys, because base64 may contain a plus anywhere.
	for range 200 {
		secret, public, err := NewKey(testOrigin, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParseSigner(secret + "\n")
		if err != nil || k.Public != public {
			t.Fatalf("%v %v, want %v", err, k.Public, public)
		}
		sig, err := k.Signer.Sign([]byte("x"))
		if err != nil || !k.Verifier.Verify([]byte("x"), sig) {
			t.Fatal("the verifier does not know its signer")
		}
		if _, err := ParseVerifier(secret); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("secret as verifier: %v", err)
		}
	}
	_, err := ParseSigner("PRIVATE+KEY+x+hunter2")
	wantKind(t, err, errkind.Invalid)
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error quotes the secret")
	}
	_, _, err = NewKey("a+b", rand.Reader)
	wantKind(t, err, errkind.Invalid)
}
