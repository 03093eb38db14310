// SPDX-License-Identifier: MIT
/*
 * dom0's shell on the machine's console: one line at a time, with backspace, history (arrow keys)
 * and "double quotes". Commands: xl SUBCOMMAND, xenstore-*, ls, cat, echo, free, sleep, repeat, halt,
 * reboot, help. ^C ends the command that runs, whatever it does or waits for, and what stands behind it
 * on its line (but in a guest's console, where it is the guest's).
 */
#pragma once

#include "dom0/archive.h"

/* Prints a line from another thread, around the line that is being typed. */
void shell_notice(const char *line);
/* Runs one line of commands between ';': the status of the first that failed, 130 after ^C, or 0. The
 * text is changed. */
int shell_run(char *line);
/* Reads and runs lines until "halt". */
void shell_main(const struct archive *files);
