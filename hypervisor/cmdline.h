// SPDX-License-Identifier: MIT
// The hypervisor's command line: words "name", "no-name", "name=value".
#pragma once

#include "hypervisor/types.h"

void cmdline_init(const char *text);

// The value of option `name` copied to `value` (empty for the bare word); false if it is not given.
// The last one wins.
bool cmdline_get(const char *name, char *value, size_t size);
bool cmdline_get_bool(const char *name, bool otherwise); // name, no-name, name=yes|no|on|off|0|1
uint64_t cmdline_get_number(const char *name, uint64_t otherwise);
uint64_t cmdline_get_size(const char *name,
                          uint64_t otherwise); // 512M, 1G, 65536K, 4096B; bare = KiB
