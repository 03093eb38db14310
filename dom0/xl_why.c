// SPDX-License-Identifier: MIT
/*
 * xl why DOMAIN: the refused hypercalls of a domain with their reasons, as Paravane keeps them
 * (hypercalls/paravane.h), and why it was ended. --follow prints what comes until a key is typed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/hypercall.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define BATCH 32U
#define FOLLOW_NS (100 * NSEC_PER_MSEC)

static void print_text(const struct paravane_refusal *r)
{
    printf("[%5" PRIu64 ".%06" PRIu64 "] v%u %s(%u) argument %u: %s: %s, at %#" PRIx64 "\n",
           (uint64_t)(r->time / NSEC_PER_SEC), (uint64_t)(r->time % NSEC_PER_SEC / NSEC_PER_USEC),
           (unsigned int)r->vcpu, r->call_name, (unsigned int)r->subop, (unsigned int)r->index,
           errno_name(r->error), r->words, r->rip);
}

static void print_json(struct json *json, const struct paravane_refusal *r)
{
    json_open(json, NULL, '{');
    json_number(json, "time", r->time);
    json_number(json, "vcpu", r->vcpu);
    json_string(json, "call", r->call_name);
    json_number(json, "subop", r->subop);
    json_number(json, "index", r->index);
    json_string(json, "error", errno_name(r->error));
    json_string(json, "reason", r->name);
    json_string(json, "words", r->words);
    json_number(json, "rip", r->rip);
    json_close(json, '}');
}

/* Prints the records from op->next on; the number of records, or -XEN_E*. */
static long print_records(struct paravane_refusals *op, struct paravane_refusal *records,
                          struct json *json)
{
    op->count = BATCH;
    op->buffer = (uint64_t)(uintptr_t)records;
    long error = hypercall_paravane_op(PARAVANE_refusals, op);
    if (error != 0) {
        return error;
    }
    if (op->lost != 0 && json == NULL) {
        printf("(%" PRIu64 " older ones are not kept)\n", op->lost);
    }
    for (uint32_t i = 0; i < op->count; i++) {
        if (json != NULL) {
            print_json(json, &records[i]);
        } else {
            print_text(&records[i]);
        }
    }
    return op->count;
}

static void print_exit_reason(domid_t domid)
{
    struct paravane_exit_reason reason = {.domid = domid};

    if (hypercall_paravane_op(PARAVANE_exit_reason, &reason) == 0 && reason.text[0] != '\0') {
        printf("The domain was ended: %s\n", reason.text);
    }
}

static void follow(struct paravane_refusals *op, struct paravane_refusal *records)
{
    char key;

    while (console_read(&key, 1) == 0 && print_records(op, records, NULL) >= 0) {
        thread_sleep(FOLLOW_NS);
    }
}

static int why(domid_t domid, bool as_json, bool as_it_comes)
{
    struct paravane_refusals op = {.domid = domid};
    struct paravane_refusal *records = malloc(BATCH * sizeof(*records));
    struct json json = JSON_INIT;
    long count = -XEN_ENOMEM;

    if (as_json) {
        json_open(&json, NULL, '[');
    }
    while (records != NULL && (count = print_records(&op, records, as_json ? &json : NULL)) > 0) {
    }
    if (as_json) {
        json_close(&json, ']');
    } else if (count == 0) {
        print_exit_reason(domid);
        if (as_it_comes) {
            follow(&op, records);
        }
    }
    free(records);
    if (count < 0) {
        printf("xl why: %s\n", count == -XEN_ENOSYS ? "this hypervisor does not keep reasons"
                                                    : errno_name((int)count));
        return 1;
    }
    return 0;
}

int xl_why(struct xl_arguments *arguments)
{
    bool as_it_comes = xl_take_option(arguments, 'f', "follow");

    if (arguments->argc > 1 &&
        (strcmp(arguments->argv[1], "0") == 0 || strcmp(arguments->argv[1], "Domain-0") == 0)) {
        return why(0, arguments->json, as_it_comes);
    }
    const struct domain *domain = xl_domain(arguments);
    return domain == NULL ? 1 : why(domain->domid, arguments->json, as_it_comes);
}
