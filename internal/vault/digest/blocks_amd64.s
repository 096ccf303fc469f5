#include "textflag.h"

// Two streams of SHA-256 side by side, by the instructions that x86 processors
// have for it (FIPS 180-4; Intel SDM volume 2, SHA256RNDS2, SHA256MSG1 and
// SHA256MSG2). One stream waits for the result of each round; two fill the
// processor.
//
// Stream a: W0..W3 in X4..X7, ABEF in X8, CDGH in X9.
// Stream b: W0..W3 in X10..X13, ABEF in X14, CDGH in X15.
// X0 is the implicit operand, X1 a scratch, X2 the byte order.

#define LOAD(off, p, w) \
	MOVOU  off(p), w \
	PSHUFB X2, w

// ROUNDS does four rounds with the message words w and constants at off.
#define ROUNDS(off, w, abef, cdgh) \
	MOVO        w, X0                \
	PADDD       off(AX), X0          \
	SHA256RNDS2 X0, abef, cdgh       \
	PSHUFD      $0x0e, X0, X0        \
	SHA256RNDS2 X0, cdgh, abef

// EXTEND makes the words sixteen on from w0 in its place.
#define EXTEND(w0, w1, w2, w3) \
	SHA256MSG1 w1, w0     \
	MOVO       w3, X1     \
	PALIGNR    $4, w2, X1 \
	PADDD      X1, w0     \
	SHA256MSG2 w3, w0

#define BOTH(off, a, b) \
	ROUNDS(off, a, X8, X9)   \
	ROUNDS(off, b, X14, X15)

#define SIXTEEN(off) \
	BOTH(off, X4, X10)            \
	EXTEND(X4, X5, X6, X7)        \
	EXTEND(X10, X11, X12, X13)    \
	BOTH(off+16, X5, X11)         \
	EXTEND(X5, X6, X7, X4)        \
	EXTEND(X11, X12, X13, X10)    \
	BOTH(off+32, X6, X12)         \
	EXTEND(X6, X7, X4, X5)        \
	EXTEND(X12, X13, X10, X11)    \
	BOTH(off+48, X7, X13)         \
	EXTEND(X7, X4, X5, X6)        \
	EXTEND(X13, X10, X11, X12)

// func blocks2(a, b *state, p, q *byte, n int)
TEXT ·blocks2(SB), NOSPLIT, $64-40
	MOVQ  a+0(FP), DI
	MOVQ  b+8(FP), SI
	MOVQ  p+16(FP), R8
	MOVQ  q+24(FP), R9
	MOVQ  n+32(FP), CX
	LEAQ  ·constants(SB), AX
	MOVOU ·order(SB), X2
	MOVOU (DI), X8
	MOVOU 16(DI), X9
	MOVOU (SI), X14
	MOVOU 16(SI), X15

loop:
	TESTQ CX, CX
	JLE   done
	MOVOU X8, s-64(SP)
	MOVOU X9, t-48(SP)
	MOVOU X14, u-32(SP)
	MOVOU X15, v-16(SP)
	LOAD(0, R8, X4)
	LOAD(16, R8, X5)
	LOAD(32, R8, X6)
	LOAD(48, R8, X7)
	LOAD(0, R9, X10)
	LOAD(16, R9, X11)
	LOAD(32, R9, X12)
	LOAD(48, R9, X13)
	SIXTEEN(0)
	SIXTEEN(64)
	SIXTEEN(128)
	BOTH(192, X4, X10)
	BOTH(208, X5, X11)
	BOTH(224, X6, X12)
	BOTH(240, X7, X13)
	MOVOU s-64(SP), X1
	PADDD X1, X8
	MOVOU t-48(SP), X1
	PADDD X1, X9
	MOVOU u-32(SP), X1
	PADDD X1, X14
	MOVOU v-16(SP), X1
	PADDD X1, X15
	ADDQ  $64, R8
	ADDQ  $64, R9
	DECQ  CX
	JMP   loop

done:
	MOVOU X8, (DI)
	MOVOU X9, 16(DI)
	MOVOU X14, (SI)
	MOVOU X15, 16(SI)
	RET

// Words of the message are big-endian.
DATA ·order+0(SB)/8, $0x0405060700010203
DATA ·order+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL ·order(SB), RODATA|NOPTR, $16

// The fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
DATA ·constants+0(SB)/8, $0x71374491428a2f98
DATA ·constants+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA ·constants+16(SB)/8, $0x59f111f13956c25b
DATA ·constants+24(SB)/8, $0xab1c5ed5923f82a4
DATA ·constants+32(SB)/8, $0x12835b01d807aa98
DATA ·constants+40(SB)/8, $0x550c7dc3243185be
DATA ·constants+48(SB)/8, $0x80deb1fe72be5d74
DATA ·constants+56(SB)/8, $0xc19bf1749bdc06a7
DATA ·constants+64(SB)/8, $0xefbe4786e49b69c1
DATA ·constants+72(SB)/8, $0x240ca1cc0fc19dc6
DATA ·constants+80(SB)/8, $0x4a7484aa2de92c6f
DATA ·constants+88(SB)/8, $0x76f988da5cb0a9dc
DATA ·constants+96(SB)/8, $0xa831c66d983e5152
DATA ·constants+104(SB)/8, $0xbf597fc7b00327c8
DATA ·constants+112(SB)/8, $0xd5a79147c6e00bf3
DATA ·constants+120(SB)/8, $0x1429296706ca6351
DATA ·constants+128(SB)/8, $0x2e1b213827b70a85
DATA ·constants+136(SB)/8, $0x53380d134d2c6dfc
DATA ·constants+144(SB)/8, $0x766a0abb650a7354
DATA ·constants+152(SB)/8, $0x92722c8581c2c92e
DATA ·constants+160(SB)/8, $0xa81a664ba2bfe8a1
DATA ·constants+168(SB)/8, $0xc76c51a3c24b8b70
DATA ·constants+176(SB)/8, $0xd6990624d192e819
DATA ·constants+184(SB)/8, $0x106aa070f40e3585
DATA ·constants+192(SB)/8, $0x1e376c0819a4c116
DATA ·constants+200(SB)/8, $0x34b0bcb52748774c
DATA ·constants+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA ·constants+216(SB)/8, $0x682e6ff35b9cca4f
DATA ·constants+224(SB)/8, $0x78a5636f748f82ee
DATA ·constants+232(SB)/8, $0x8cc7020884c87814
DATA ·constants+240(SB)/8, $0xa4506ceb90befffa
DATA ·constants+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL ·constants(SB), RODATA|NOPTR, $256
