// SPDX-License-Identifier: MIT
/*
 * What newlib asks of a system: console as descriptors 0-2, heap, time, exit. There are no files
 * behind open(): file systems have interfaces of their own.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>
#include <xen/sched.h>
#include "pvguest/console.h"
#include "pvguest/memory_private.h"
#include "pvguest/start.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

#undef errno
extern int errno;

int open(const char *path, int flags, ...);
int kill(int pid, int signal);

/* newlib calls these without declaring them as we do; sets this thread's errno. */
extern int *__errno(void);

static int fail(int error)
{
    *__errno() = error;
    return -1;
}

int write(int fd, const void *buffer, size_t length)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        return fail(EBADF);
    }
    console_write_text(buffer, length);
    return (int)length;
}

int read(int fd, void *buffer, size_t length)
{
    if (fd != STDIN_FILENO) {
        return fail(EBADF);
    }
    if (length == 0) {
        return 0;
    }
    size_t count;
    do {
        console_wait();
        count = console_read(buffer, length);
    } while (count == 0);
    for (size_t i = 0; i < count; i++) {
        char *c = (char *)buffer + i;
        *c = *c == '\r' ? '\n' : *c;
    }
    return (int)count;
}

int close(int fd)
{
    return fd <= STDERR_FILENO && fd >= 0 ? 0 : fail(EBADF);
}

int fstat(int fd, struct stat *status)
{
    if (fd < 0 || fd > STDERR_FILENO) {
        return fail(EBADF);
    }
    *status = (struct stat){.st_mode = S_IFCHR};
    return 0;
}

int isatty(int fd)
{
    return fd >= 0 && fd <= STDERR_FILENO;
}

off_t lseek(int fd, off_t offset, int whence)
{
    (void)offset;
    (void)whence;
    return fail(fd >= 0 && fd <= STDERR_FILENO ? ESPIPE : EBADF);
}

int open(const char *path, int flags, ...)
{
    (void)path;
    (void)flags;
    return fail(ENOENT);
}

int link(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return fail(ENOSYS);
}

int unlink(const char *path)
{
    (void)path;
    return fail(ENOENT);
}

int getpid(void)
{
    return 1;
}

int kill(int pid, int signal)
{
    (void)pid;
    trap_panic("signal %d", signal); /* abort() and failed assertions */
}

void *sbrk(ptrdiff_t increment)
{
    void *start = increment < 0 ? memory_heap_shrink(-(size_t)increment)
                                : memory_heap_grow((size_t)increment);
    if (start == NULL) {
        *__errno() = ENOMEM;
        return (void *)-1;
    }
    return start;
}

int gettimeofday(struct timeval *time, void *zone)
{
    (void)zone;
    uint64_t now = time_wall();
    time->tv_sec = (time_t)(now / NSEC_PER_SEC);
    time->tv_usec = (suseconds_t)(now % NSEC_PER_SEC / NSEC_PER_USEC);
    return 0;
}

clock_t times(struct tms *buffer)
{
    clock_t ticks = (clock_t)(time_now() / (NSEC_PER_SEC / CLOCKS_PER_SEC));
    *buffer = (struct tms){.tms_utime = ticks};
    return ticks;
}

_Noreturn void _exit(int status)
{
    if (status != 0) {
        console_printf("\nEXIT STATUS %d\n", status);
    }
    start_shutdown(status == 0 ? SHUTDOWN_poweroff : SHUTDOWN_crash);
}
