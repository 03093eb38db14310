// SPDX-License-Identifier: MIT
/* Event channels looped back to ourselves, and grants to ourselves. */
#include <stdint.h>
#include <string.h>
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/examples/selftest/selftest.h"

static volatile int received;
static volatile evtchn_port_t received_port;
static struct wait_queue queue;

static void count_event(evtchn_port_t port, void *arg)
{
    received += (int)(intptr_t)arg;
    received_port = port;
    wake_up(&queue);
}

static const char *loopback(void)
{
    received = 0;
    int a = event_alloc_unbound(DOMID_SELF, count_event, (void *)1);
    CHECK(a > 0);
    CHECK(event_status(DOMID_SELF, (evtchn_port_t)a) == EVTCHNSTAT_unbound);
    int b = event_bind_interdomain(DOMID_SELF, (evtchn_port_t)a, count_event, (void *)100);
    CHECK(b > 0);
    /* Binding may raise one event at the other end. */
    received = 0;
    CHECK(event_send((evtchn_port_t)b) == 0);
    CHECK(wait_event_timeout(&queue, received == 1, NSEC_PER_SEC));
    CHECK(received_port == (evtchn_port_t)a);
    CHECK(event_send((evtchn_port_t)a) == 0);
    CHECK(wait_event_timeout(&queue, received == 101, NSEC_PER_SEC));
    event_unbind((evtchn_port_t)b);
    CHECK(event_send((evtchn_port_t)b) == -XEN_EINVAL);
    event_unbind((evtchn_port_t)a);
    return NULL;
}

static const char *masking(void)
{
    int ipi = event_bind_ipi(count_event, (void *)1);
    evtchn_port_t port = (evtchn_port_t)ipi;

    CHECK(ipi > 0);
    received = 0;
    event_mask(port);
    CHECK(event_send(port) == 0);
    CHECK(received == 0 && event_is_pending(port));
    event_unmask(port);
    CHECK(wait_event_timeout(&queue, received == 1, NSEC_PER_SEC));
    unsigned long saved = event_save();
    event_send(port);
    int while_masked = received;
    event_restore(saved);
    CHECK(while_masked == 1 && received == 2);
    for (int i = 0; i < 1000; i++) {
        event_send(port);
    }
    CHECK(received == 1002);
    event_unbind(port);
    return NULL;
}

static const char *many_ports(void)
{
    evtchn_port_t ports[300];
    for (int i = 0; i < 300; i++) {
        int port = event_bind_ipi(count_event, (void *)1);
        CHECK(port > 0);
        ports[i] = (evtchn_port_t)port;
    }
    received = 0;
    for (int i = 0; i < 300; i++) {
        event_send(ports[i]);
    }
    CHECK(received == 300);
    for (int i = 0; i < 300; i++) {
        event_unbind(ports[i]);
    }
    return NULL;
}

/*
 * The last instructions of an upcall, where it has unmasked but not yet returned. What the entry
 * code does with an event there is tried by making the stack as it would be: return address and
 * flags, below them (`at`: where in the window) the frame that the hypervisor pushes.
 */
extern char event_upcall[], upcall_window_start[], upcall_window_pop[], upcall_window_ret[];
extern uint8_t shared_info_area[];

static bool window_interrupt(const char *at, uint64_t popped)
{
    uint64_t b = 0xb0b, c = 0xc0c, r11_in = 0x11011, r11_out, rsp_before, rsp_after;

    event_save();
    __asm__ volatile(
        "mov %%rsp, %[before]\n"
        "mov %[in], %%r11\n"
        "lea 1f(%%rip), %%rax\n"
        "push %%rax\n"
        "pushfq\n"
        "lea (%%rsp, %[popped]), %%rax\n"
        "and $-16, %%rsp\n"
        "push $0\n"
        "push %%rax\n"
        "pushfq\n"
        "push $0\n"
        "push %[at]\n"
        "push %%r11\n"
        "push %%rcx\n"
        "xor %%ecx, %%ecx\n"
        "xor %%r11d, %%r11d\n"
        "jmp event_upcall\n"
        "1: mov %%rsp, %[after]\n"
        "mov %%r11, %[out]\n"
        : "+b"(b),
          "+c"(c), [before] "=&r"(rsp_before), [after] "=&r"(rsp_after), [out] "=&r"(r11_out)
        : [in] "r"(r11_in), [at] "r"(at), [popped] "r"(popped)
        : "rax", "r11", "memory", "cc");
    return b == 0xb0b && c == 0xc0c && r11_out == r11_in && rsp_before == rsp_after &&
           !event_upcalls_masked();
}

/* Enters the window itself with an event pending: it has to go round once more. */
static bool window_go_round(void)
{
    uint64_t b = 0xb0b, rsp_before, rsp_after;

    event_save();
    shared_info_area[0] = 1; /* upcall pending */
    __asm__ volatile("mov %%rsp, %[before]\n"
                     "lea 1f(%%rip), %%rax\n"
                     "push %%rax\n"
                     "pushfq\n"
                     "jmp upcall_window_start\n"
                     "1: mov %%rsp, %[after]\n"
                     : "+b"(b), [before] "=&r"(rsp_before), [after] "=&r"(rsp_after)
                     :
                     : "rax", "memory", "cc");
    return b == 0xb0b && rsp_before == rsp_after && !event_upcalls_masked() &&
           shared_info_area[0] == 0;
}

static const char *upcall_window(void)
{
    CHECK(window_interrupt(upcall_window_start, 0));
    CHECK(window_interrupt(upcall_window_pop, 0)); /* POPFQ */
    CHECK(window_interrupt(upcall_window_ret, 8));
    CHECK(window_interrupt(upcall_window_ret + 1, 0)); /* pending was seen */
    CHECK(window_go_round());
    return NULL;
}

const struct selftest event_tests[] = {
    {"loopback",      loopback     },
    {"masking",       masking      },
    {"many_ports",    many_ports   },
    {"upcall_window", upcall_window},
    {NULL,            NULL         },
};

/* Grants ---------------------------------------------------------------------------------------- */

static const char *map_own_grant(void)
{
    char *page = page_alloc(0);
    domid_t self = start_domid();
    int ref = grant_access(self, virt_to_mfn(page), false);
    CHECK(ref >= GNTTAB_NR_RESERVED_ENTRIES);
    grant_ref_t refs[3] = {(grant_ref_t)ref, (grant_ref_t)ref, (grant_ref_t)ref};
    struct grant_mapping mappings[3];

    strcpy(page, "granted");
    CHECK(grant_map(self, refs, 3, false, mappings) == 0);
    CHECK(strcmp(mappings[1].address, "granted") == 0);
    CHECK(mappings[2].maddr == virt_to_maddr(page));
    CHECK(grant_is_busy(refs[0]) && !grant_end(refs[0]));
    ((char *)mappings[2].address)[0] = 'G';
    CHECK(strcmp(page, "Granted") == 0);
    grant_unmap(mappings, 3);
    CHECK(!grant_is_busy(refs[0]) && grant_end(refs[0]));
    CHECK(grant_map(self, refs, 1, false, mappings) < 0);
    CHECK(mappings[0].address == NULL && mappings[0].status != GNTST_okay);
    page_free(page, 0);
    return NULL;
}

static const char *readonly_grant(void)
{
    char *page = page_alloc(0);
    grant_ref_t ref = (grant_ref_t)grant_access(start_domid(), virt_to_mfn(page), true);
    struct grant_mapping mapping;

    CHECK(grant_map(start_domid(), &ref, 1, false, &mapping) < 0);
    CHECK(grant_map(start_domid(), &ref, 1, true, &mapping) == 0);
    grant_end_later(ref, page); /* still mapped */
    CHECK(grant_is_busy(ref));
    grant_unmap(&mapping, 1);
    thread_sleep(250 * NSEC_PER_MSEC);
    CHECK(grant_map(start_domid(), &ref, 1, true, &mapping) < 0);
    return NULL;
}

static const char *copying(void)
{
    char *from = page_alloc(0), *to = page_alloc(0);
    grant_ref_t ref = (grant_ref_t)grant_access(start_domid(), virt_to_mfn(to), false);
    struct gnttab_copy copy = {
        .source = {.u.gmfn = virt_to_mfn(from), .domid = DOMID_SELF,    .offset = 10},
        .dest = {.u.ref = ref,                .domid = start_domid(), .offset = 20},
        .len = 6,
        .flags = GNTCOPY_dest_gref
    };

    strcpy(from + 10, "hello");
    CHECK(grant_copy(&copy, 1) == 0 && copy.status == GNTST_okay);
    CHECK(strcmp(to + 20, "hello") == 0);
    CHECK(grant_end(ref));
    page_free(from, 0);
    page_free(to, 0);
    return NULL;
}

static const char *many_references(void)
{
    static grant_ref_t refs[1200];
    void *page = page_alloc(0);

    for (int i = 0; i < 1200; i++) {
        int ref = grant_access(0, virt_to_mfn(page), true);
        CHECK(ref >= GNTTAB_NR_RESERVED_ENTRIES);
        refs[i] = (grant_ref_t)ref;
    }
    for (int i = 0; i < 1200; i++) {
        CHECK(grant_end(refs[i]));
    }
    page_free(page, 0);
    CHECK(strcmp(grant_status_text(GNTST_okay), "okay") == 0);
    return NULL;
}

const struct selftest grant_tests[] = {
    {"map_own_grant",   map_own_grant  },
    {"readonly_grant",  readonly_grant },
    {"copying",         copying        },
    {"many_references", many_references},
    {NULL,              NULL           },
};
