/* Stands between a process and its C library, by LD_PRELOAD: makes writes and syncs below one folder fail, and moves
 * the wall clock, while the process runs. A test switches it through a file that both map:
 *
 *   INTERPOSE_CONTROL  the file, at least 16 numbers of 8 bytes
 *   INTERPOSE_FOLDER   writes and syncs of files below it can fail
 *   INTERPOSE_FILE_BYTES_MAX  no file may grow beyond; here the kernel itself refuses, after a short write
 *
 * Numbers of the file, in this order:
 *   0 write: errno or 0   1 write: calls that still succeed   2 write: calls that failed
 *   3 sync:  errno or 0   4 sync:  calls that still succeed   5 sync:  calls that failed
 *   6 grow:  errno or 0   7 grow:  calls that still succeed   8 grow:  calls that failed
 *   9 nanoseconds by which the wall clock is moved
 * With nothing set a call costs one read of memory more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 0, SYNC = 3, GROW = 6, CLOCK = 9, NUMBERS = 16 };

static volatile int64_t nothing[NUMBERS];
static volatile int64_t *control = nothing;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("INTERPOSE_CONTROL");
    folder = getenv("INTERPOSE_FOLDER");
    const char *bytes_max = getenv("INTERPOSE_FILE_BYTES_MAX");
    if (bytes_max) {
        struct rlimit limit = {strtoull(bytes_max, NULL, 10), strtoull(bytes_max, NULL, 10)};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (!path) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t) * NUMBERS, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) control = mapped;
}

static int is_ours(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !folder) return 0;
    path[length] = 0;
    size_t prefix = strlen(folder);
    return strncmp(path, folder, prefix) == 0 && path[prefix] == '/';
}

/* The errno with which this call is to fail, or 0. */
static int fault(int kind, int file) {
    int64_t error = control[kind];
    if (!error || !is_ours(file)) return 0;
    if (__atomic_fetch_sub(&control[kind + 1], 1, __ATOMIC_SEQ_CST) > 0) return 0;
    __atomic_fetch_add(&control[kind + 2], 1, __ATOMIC_SEQ_CST);
    return (int)error;
}

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

#define FAIL_IF(kind, file)                                                                                            \
    do {                                                                                                               \
        int error = fault(kind, file);                                                                                 \
        if (error) {                                                                                                   \
            errno = error;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

ssize_t write(int file, const void *bytes, size_t count) {
    FAIL_IF(WRITE, file);
    return REAL(write)(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    FAIL_IF(WRITE, file);
    return REAL(writev)(file, parts, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    FAIL_IF(WRITE, file);
    return REAL(pwrite64)(file, bytes, count, at);
}

int fsync(int file) {
    FAIL_IF(SYNC, file);
    return REAL(fsync)(file);
}

int fdatasync(int file) {
    FAIL_IF(SYNC, file);
    return REAL(fdatasync)(file);
}

int ftruncate64(int file, off64_t length) {
    FAIL_IF(GROW, file);
    return REAL(ftruncate64)(file, length);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) next;
    if (!next) next = REAL(clock_gettime);
    int result = next(clock, now);
    int64_t moved = control[CLOCK];
    if (result == 0 && moved && clock == CLOCK_REALTIME) {
        int64_t ns = now->tv_nsec + moved % 1000000000;
        now->tv_sec += moved / 1000000000;
        if (ns < 0) { ns += 1000000000; now->tv_sec -= 1; }
        if (ns >= 1000000000) { ns -= 1000000000; now->tv_sec += 1; }
        now->tv_nsec = ns;
    }
    return result;
}
