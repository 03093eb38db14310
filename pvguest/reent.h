/* SPDX-License-Identifier: MIT */
/* A thread's own state in newlib (errno and the like) without streams of its own: output of all threads
 * goes through one buffer, and exit() flushes it.
 *
 * newlib 3 has three streams in each state and makes them at first use, unless it is told that they are
 * there. From version 4 on there is one set, and a fresh state names it. */
#pragma once

#include <_newlib_version.h>
#include <reent.h>

#if __NEWLIB__ < 4

static inline void reent_start(struct _reent *reent)
{
    _REENT_INIT_PTR(reent);
    reent->_stdin = _GLOBAL_REENT->_stdin;
    reent->_stdout = _GLOBAL_REENT->_stdout;
    reent->_stderr = _GLOBAL_REENT->_stderr;
    reent->__sdidinit = 1;
}

static inline void reent_end(struct _reent *reent)
{
    reent->__sdidinit = 0; /* the streams are not its own */
    _reclaim_reent(reent);
}

#else

static inline void reent_start(struct _reent *reent)
{
    _REENT_INIT_PTR(reent);
}

static inline void reent_end(struct _reent *reent)
{
    _REENT_CLEANUP(reent) = NULL; /* the streams are not its own */
    _reclaim_reent(reent);
}

#endif
