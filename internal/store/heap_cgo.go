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
// nothing. Where the system has no such piece, or SQLite was built without
// SQLITE_ENABLE_MEMSYS5 (deploy/build.sh sets it), SQLite uses malloc.
__attribute__((constructor)) static void one_request(void) {
	void *heap = getenv("REQUEST_METHOD") == NULL ? NULL : malloc(HEAP_BYTES);
	if (heap != NULL && sqlite3_config(SQLITE_CONFIG_HEAP, heap, HEAP_BYTES, HEAP_PIECE) != 0)
		free(heap);
}
*/
import "C"
