// SPDX-License-Identifier: MIT
// Names of text addresses, for crash reports.
//
// The table is made from the linked image (tools/symbols.py) and linked in by a second pass; in the
// first pass its section is empty. It holds the number of symbols, their offsets from text_start in
// ascending order, and the names one after the other, each with its length before it.
#include "hypervisor/boot.h"
#include "hypervisor/panic.h"

bool symbol_is_text(uint64_t address)
{
    return address >= (uint64_t)text_start && address < (uint64_t)text_end;
}

const char *symbol_format(uint64_t address, char *buffer, unsigned long size)
{
    const uint32_t *count = (const uint32_t *)symbols_start, *offset = count + 1;
    uint32_t wanted = (uint32_t)(address - (uint64_t)text_start), index = 0;
    if (!symbol_is_text(address) || &symbols_start[0] == &symbols_end[0]) {
        snprintf(buffer, size, "%#lx", address);
        return buffer;
    }
    const uint8_t *name = (const uint8_t *)(offset + *count);
    while (index + 1 < *count && offset[index + 1] <= wanted) {
        name += 1 + name[0];
        index++;
    }
    snprintf(buffer, size, "%.*s+%#x", name[0], (const char *)name + 1, wanted - offset[index]);
    return buffer;
}
