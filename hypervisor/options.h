// SPDX-License-Identifier: MIT
// The options of the hypervisor's command line, parsed once at boot. options.def is the list of them.
//
// Grammar and meaning are Xen's (xen-command-line, in package xen-doc), so that people's boot entries go on
// working: words divided by blanks, NAME, NAME=VALUE or no-NAME (for NAME=no); of several the last one
// counts. What follows the word "--" belongs to dom0's command line. An unknown or malformed option is
// named in the log and changes nothing else. Pure: builds on the host.
#pragma once

#include "hypervisor/printk.h"
#include "hypervisor/types.h"

// An amount of memory: `bytes` + `percent` of what is available, or all but that.
struct memory_amount {
    uint64_t bytes;
    unsigned percent;
    bool is_minus;
};

struct boot_options {
    bool has_console; // the serial port is used
    unsigned baud;    // 0: as the firmware has left it
    enum log_level log_level;
    bool noreboot;
    struct memory_amount dom0_mem, dom0_mem_min,
        dom0_mem_max; // 0, 0, UINT64_MAX bytes if not given
    unsigned dom0_vcpus_min, dom0_vcpus_max;
    int ucode_module;       // 0: none; negative: from the end
    const char *dom0_words; // what stood behind "--", "" if nothing did
};
extern struct boot_options boot_options;

// Parses `text` into boot_options and cuts it before " -- "; says in the log what it does not take.
void options_parse(char *text);

// Pages for dom0 when `available` can be had. `limit` gets the most that it may have later, UINT64_MAX
// without max:.
uint64_t options_dom0_pages(uint64_t available, uint64_t *limit);

// Number of dom0's vcpus, at most `max`, on a machine with `cpus`.
unsigned options_dom0_vcpus(unsigned cpus, unsigned max);
