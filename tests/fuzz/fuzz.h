// SPDX-License-Identifier: MIT
// The differential fuzzer: what its operations share.
//
// Every call has a number; seed and number alone decide what it does, so calls can be left out without
// changing the others. Frames, ports, grants and handles are named by small indices: the log of two
// hypervisors is equal, word by word, when they behave alike.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/errno.h>

#include "pvguest/hypercall.h"
#include "pvguest/memory.h"

#define FUZZ_FRAMES 64U
#define FUZZ_BOGUS 8U // indices behind the frames: frames that are not ours to use

struct fuzz_frame {
    uint8_t *address; // where it is mapped at first, and where its index is (re)mapped
    uint64_t mfn;
    uint64_t pfn;
};
extern struct fuzz_frame fuzz_frames[FUZZ_FRAMES];

// Random numbers of the running call.
uint32_t fuzz_random(uint32_t below);
uint64_t fuzz_random64(void);
bool fuzz_chance(uint32_t percent);
// Its number.
uint64_t fuzz_number(void);

// A frame index, sometimes one of the bogus ones, and its frame number.
unsigned int fuzz_pick_frame(void);
uint64_t fuzz_mfn(unsigned int index);
// The same, but never shared_info: its times would get into other frames by copies.
unsigned int fuzz_pick_source(void);
// An entry of a page table for some frame, logged as "frame/flags".
uint64_t fuzz_pick_entry(void);
// The index of the frame of a page-table entry; ~0 if it is none of them.
unsigned int fuzz_frame_of(uint64_t entry);

// Before a frame may become a table of some level (1 for descriptors, too): clear what both hypervisors
// are known to see differently there and in the tables that it names.
void fuzz_prepare_table(unsigned int index, unsigned int level);

// A bit for each frame that can be mapped writable.
uint64_t fuzz_writable_frames(void);

// A hash of what a frame holds, without what may differ.
uint64_t fuzz_contents(unsigned int frame);

// The operation that logs both.
void fuzz_look(void);

// Adds to the line of the running call.
void fuzz_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct fuzz_operation {
    const char *name;
    unsigned int weight;
    void (*run)(void);
};

// One table for each family; `setup` runs once before the first call.
extern const struct fuzz_operation fuzz_memory_operations[], fuzz_event_operations[];
extern const struct fuzz_operation fuzz_grant_operations[], fuzz_cpu_operations[];
extern const struct fuzz_operation fuzz_call_operations[], fuzz_store_operations[];
extern const struct fuzz_operation fuzz_reservation_operations[];
void fuzz_event_setup(void);
void fuzz_grant_setup(void);
