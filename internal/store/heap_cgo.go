//go:build cgo

package store

/*
#include <stdlib.h>

#define HEAP_BYTES (32 << 20)
#define HEAP_PIECE 32
#define SQLITE_CONFIG_HEAP 8 // sqlite3.h

int sqlite3_config(int, ...);

// A CGI process gives SQLite its memory in one piece, before SQLite or Go begins.
// musl asks the system for most of what SQLite needs a page at a time, which is a twentieth of
// all the CPU time of a verification. What is not used of the piece costs
// nothing. Where SQLite was built without SQLITE_ENABLE_MEMSYS5 (deploy/build.sh
// sets it) it declines, and uses malloc.
__attribute__((constructor)) static void one_request(void) {
	static char heap[HEAP_BYTES] __attribute__((aligned(8)));
	if (getenv("REQUEST_METHOD") != NULL)
		sqlite3_config(SQLITE_CONFIG_HEAP, heap, (int)sizeof heap, HEAP_PIECE);
}
*/
import "C"
