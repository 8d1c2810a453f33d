/*
 * A disk that breaks where a test says so: a library for LD_PRELOAD, between a program and the system.
 *
 * The variable BROKEN_DISK names a rule file. While that file exists, its one line says what fails, and how:
 *
 *     <error> <operations> <ending> [<ending> ...]
 *
 * <error> is EIO, ENOSPC, EROFS or EACCES. <operations> are letters: `w` writing, `t` writing that leaves the first half
 * behind, `s` syncing, `o` what a disk without leave to write refuses by name: opening for writing, making, cutting off,
 * deleting, renaming. It holds for files whose path ends in one of the <ending>s, however long they have been open.
 * Each failure adds one byte to the file of the same name with `.hits` behind it, so that a test sees that it met something.
 *
 * Calls go to the system directly, so nothing here can meet itself. Linux with 64 bits only.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "offsets are handed over whole");

enum { RULE_BYTES_MAX = 512, PATH_BYTES_MAX = 4096 };

static int number_of(const char *name)
{
    if (strcmp(name, "EIO") == 0)
        return EIO;
    if (strcmp(name, "ENOSPC") == 0)
        return ENOSPC;
    if (strcmp(name, "EROFS") == 0)
        return EROFS;
    if (strcmp(name, "EACCES") == 0)
        return EACCES;
    /* A rule that nobody understands must not read as a disk that works. */
    abort();
}

static int ends_in(const char *path, const char *ending)
{
    size_t whole = strlen(path), part = strlen(ending);
    return part <= whole && strcmp(path + whole - part, ending) == 0;
}

static int read_rule(char rule[RULE_BYTES_MAX])
{
    const char *name = getenv("BROKEN_DISK");
    if (name == NULL)
        return 0;
    long file = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return 0;
    long count = syscall(SYS_read, file, rule, RULE_BYTES_MAX - 1);
    syscall(SYS_close, file);
    if (count <= 0)
        return 0;
    rule[count] = '\0';
    return 1;
}

static void note_hit(void)
{
    char hits[PATH_BYTES_MAX];
    snprintf(hits, sizeof hits, "%s.hits", getenv("BROKEN_DISK"));
    long file = syscall(SYS_openat, AT_FDCWD, hits, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) {
        syscall(SYS_write, file, "x", 1);
        syscall(SYS_close, file);
    }
}

/* The error that this operation meets on that path; 0 for none. `errno` stays what it was. */
static int fault(char operation, const char *path)
{
    char rule[RULE_BYTES_MAX], *rest = NULL;
    int before = errno, found = 0;
    if (read_rule(rule)) {
        const char *error = strtok_r(rule, " \n", &rest);
        const char *operations = strtok_r(NULL, " \n", &rest);
        const char *ending = strtok_r(NULL, " \n", &rest);
        if (operations != NULL && strchr(operations, operation) != NULL)
            for (; ending != NULL && found == 0; ending = strtok_r(NULL, " \n", &rest))
                if (ends_in(path, ending))
                    found = number_of(error);
        if (found != 0)
            note_hit();
    }
    errno = before;
    return found;
}

static int fault_of_open(char operation, int file)
{
    char rule[RULE_BYTES_MAX], link[64], path[PATH_BYTES_MAX];
    int before = errno, found = 0;
    /* Most of the time there is no rule, and nobody needs the path. */
    if (read_rule(rule)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = '\0';
            found = fault(operation, path);
        }
    }
    errno = before;
    return found;
}

/* The error of a write of so many bytes, after the half of them that a torn write leaves behind. */
static int fault_of_write(int file, const void *bytes, size_t count, const off64_t *offset)
{
    int found = fault_of_open('w', file);
    if (found != 0)
        return found;
    found = fault_of_open('t', file);
    if (found != 0 && offset != NULL)
        syscall(SYS_pwrite64, file, bytes, count / 2, *offset);
    else if (found != 0)
        syscall(SYS_write, file, bytes, count / 2);
    return found;
}

static int refused(int error)
{
    errno = error;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    int error = fault_of_write(file, bytes, count, NULL);
    return error != 0 ? refused(error) : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset)
{
    int error = fault_of_write(file, bytes, count, &offset);
    return error != 0 ? refused(error) : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset)
{
    return pwrite64(file, bytes, count, offset);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    int error = fault_of_open('w', file);
    return error != 0 ? refused(error) : syscall(SYS_writev, file, parts, count);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset)
{
    int error = fault_of_open('w', file);
    /* The system takes the offset in two halves, the upper of which is empty where a word has 64 bits. */
    return error != 0 ? refused(error) : syscall(SYS_pwritev, file, parts, count, offset, 0L);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset)
{
    return pwritev64(file, parts, count, offset);
}

int fsync(int file)
{
    int error = fault_of_open('s', file);
    return error != 0 ? refused(error) : (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    int error = fault_of_open('s', file);
    return error != 0 ? refused(error) : (int)syscall(SYS_fdatasync, file);
}

int ftruncate64(int file, off64_t length)
{
    int error = fault_of_open('o', file);
    return error != 0 ? refused(error) : (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length)
{
    return ftruncate64(file, length);
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    int error = writes ? fault('o', path) : 0;
    return error != 0 ? refused(error) : (int)syscall(SYS_openat, folder, path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest)
{
    int makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return makes ? (mode_t)va_arg(rest, int) : 0;
}

#define OPENING(name)                                        \
    int name(const char *path, int flags, ...)               \
    {                                                        \
        va_list rest;                                        \
        va_start(rest, flags);                               \
        mode_t mode = mode_of(flags, rest);                  \
        va_end(rest);                                        \
        return open_at(AT_FDCWD, path, flags, mode);         \
    }

#define OPENING_AT(name)                                     \
    int name(int folder, const char *path, int flags, ...)   \
    {                                                        \
        va_list rest;                                        \
        va_start(rest, flags);                               \
        mode_t mode = mode_of(flags, rest);                  \
        va_end(rest);                                        \
        return open_at(folder, path, flags, mode);           \
    }

OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

int unlink(const char *path)
{
    int error = fault('o', path);
    return error != 0 ? refused(error) : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to)
{
    int error = fault('o', to);
    return error != 0 ? refused(error) : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
