// SPDX-License-Identifier: MIT
/*
 * The smallest guest: says who and where it is, and stops. With "stay" on its command line it
 * stays, and says once in ten seconds how long it has been up.
 */
#include <stdio.h>
#include <time.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

static void print_uptime(uint64_t start)
{
    uint64_t up = time_now() - start;
    printf("up %llu.%06llu s\n", up / NSEC_PER_SEC, up % NSEC_PER_SEC / NSEC_PER_USEC);
}

static unsigned int vcpu_count(void)
{
    unsigned int count = 0;

    while (hypercall_vcpu_op(VCPUOP_is_up, count, NULL) >= 0) {
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    uint64_t start = time_now();
    long version = hypercall_xen_version(XENVER_version, NULL);
    time_t now = time(NULL);

    printf("Hello from a guest on %s (ABI %ld.%ld)\n", start_info_page->magic, version >> 16,
           version & 0xffff);
    printf("command line: %s\n", start_command_line());
    for (int i = 1; i < argc; i++) {
        printf("argument %d: %s\n", i, argv[i]);
    }
    printf("memory: %zu KiB, %zu KiB free\n", memory_page_count() * 4, page_free_count() * 4);
    printf("vcpus: %u\n", vcpu_count());
    if (start_info_page->mod_len) {
        printf("module: %lu bytes\n", (unsigned long)start_info_page->mod_len);
    }
    printf("time: %s", asctime(gmtime(&now)));
    print_uptime(start);
    while (start_option("stay") != NULL) {
        thread_sleep(10 * NSEC_PER_SEC);
        print_uptime(start);
    }
    return 0;
}
