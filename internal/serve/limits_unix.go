//go:build cgo && unix

package serve

/*
#define _GNU_SOURCE
#ifdef __linux__
#include <malloc.h>
#include <sched.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define ENOUGH_MB 1300

#ifdef __x86_64__
#define ADVICE "install the file mintkeep-linux-386, which needs less"
#else
#define ADVICE "ask for a higher limit"
#endif

// A CGI process answers one request. On one processor, the one it was just put
// on, Go starts half the threads and wakes none for nothing: an eighth of all its
// CPU time, more on a host of many processors. Where a host forbids it, it is
// only slower. The threads of glibc need no heaps of their own either.
__attribute__((constructor)) static void one_request(void) {
	if (getenv("REQUEST_METHOD") == NULL)
		return;
#ifdef __linux__
	int here = sched_getcpu();
	cpu_set_t one;
	CPU_ZERO(&one);
	if (here >= 0 && here < CPU_SETSIZE) {
		CPU_SET(here, &one);
		sched_setaffinity(0, sizeof one, &one);
	}
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1);
#endif
#endif
}

#ifdef RLIMIT_AS
// Go reserves address space before its first instruction of ours runs, and dies
// without a word to the visitor where a host limits it (golang.org/issue/38010).
// A C constructor comes earlier: it takes all that is allowed, and if that is too
// little for a 64-bit program it says so instead.
__attribute__((constructor)) static void enough_address_space(void) {
	struct rlimit l;
	if (getrlimit(RLIMIT_AS, &l) != 0 || l.rlim_cur == RLIM_INFINITY)
		return;
	if (l.rlim_cur != l.rlim_max) {
		struct rlimit most = {l.rlim_max, l.rlim_max};
		if (setrlimit(RLIMIT_AS, &most) == 0)
			l = most;
	}
	unsigned long mb = (unsigned long)(l.rlim_cur >> 20);
	if (sizeof(void *) < 8 || l.rlim_cur == RLIM_INFINITY || mb >= ENOUGH_MB)
		return;
	char text[512], body[256];
	int n = snprintf(text, sizeof text, "mintkeep: this host limits a program's address space to %lu MB, and this file needs %d\nhint: " ADVICE "\n", mb, ENOUGH_MB);
	if (write(2, text, n) < 0) {
	}
	if (getenv("GATEWAY_INTERFACE") == NULL)
		_exit(1);
	int length = snprintf(body, sizeof body, "{\"error\":\"server_error\",\"error_description\":\"this host limits a program's address space to %lu MB, and this file needs %d; the owner can " ADVICE "\"}\n", mb, ENOUGH_MB);
	n = snprintf(text, sizeof text, "Status: 500 Internal Server Error\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%s", length, body);
	if (write(1, text, n) < 0) {
	}
	// What lies unread in a socket would take the answer with it.
	const char *announced = getenv("CONTENT_LENGTH");
	long left = announced ? atol(announced) : getenv("HTTP_TRANSFER_ENCODING") ? 100 << 20 : 0;
	alarm(60);
	for (; left > 0 && (n = read(0, text, sizeof text)) > 0;)
		left -= n;
	_exit(0);
}
#endif
// A process that stays shares one heap of glibc among its threads: each heap of
// its own keeps half a megabyte and more that SQLite has freed.
static void one_heap(void) {
#if defined(__linux__) && defined(M_ARENA_MAX)
	mallopt(M_ARENA_MAX, 1);
#endif
}
// What SQLite has freed goes back to the system.
static void trim(void) {
#if defined(__linux__) && defined(M_ARENA_MAX)
	malloc_trim(0);
#endif
}
*/
import "C"

// oneHeap is for a process that stays; see one_heap.
func oneHeap() { C.one_heap() }

// trim gives back to the system what SQLite has freed.
func trim() { C.trim() }
