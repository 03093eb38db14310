// SPDX-License-Identifier: MIT
/*
 * xl why DOMAIN: the refused hypercalls of a domain with their reasons, as Paravane keeps them
 * (hypercalls/paravane.h), and why it was ended; of one that is gone, what was kept (domain_past.h).
 * --follow prints what comes, until ^C or the domain's end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/domain_past.h"
#include "dom0/json.h"
#include "dom0/xl.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/hypercall.h"
#include "pvguest/time.h"

#define BATCH 32U
#define FOLLOW_NS (100 * NSEC_PER_MSEC)

static void print_text(const struct paravane_refusal *r)
{
    printf("[%5" PRIu64 ".%06" PRIu64 "] v%u %s(%u) argument %u: %s: %s, at %#" PRIx64,
           (uint64_t)(r->time / NSEC_PER_SEC), (uint64_t)(r->time % NSEC_PER_SEC / NSEC_PER_USEC),
           (unsigned int)r->vcpu, r->call_name, (unsigned int)r->subop, (unsigned int)r->index,
           errno_name(r->error), r->words, r->rip);
    if (r->count > 1) {
        printf(", %" PRIu64 " times", r->count);
    }
    printf("\n");
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
    json_number(json, "count", r->count);
    json_close(json, '}');
}

static void print_lost(uint64_t lost)
{
    printf("(%" PRIu64 " older ones are not kept)\n", lost);
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
        print_lost(op->lost);
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
    while (console_sleep(FOLLOW_NS) && print_records(op, records, NULL) >= 0) {
    }
}

static int fail(const struct xl_arguments *arguments, long error)
{
    return xl_fail(arguments, "xl why: %s",
                   error == -XEN_ENOSYS ? "this hypervisor does not keep reasons"
                                        : errno_name((int)error));
}

static int why_living(const struct xl_arguments *arguments, domid_t domid)
{
    struct paravane_refusals op = {.domid = domid};
    struct paravane_refusal *records = malloc(BATCH * sizeof(*records));
    struct json json = JSON_INIT;
    /* Before any JSON is printed: an error is an object of its own. */
    long count = records == NULL ? -XEN_ENOMEM : hypercall_paravane_op(PARAVANE_refusals, &op);

    if (count < 0) {
        free(records);
        return fail(arguments, count);
    }
    op.next = 0;
    if (arguments->json) {
        json_open(&json, NULL, '[');
    }
    do {
        count = print_records(&op, records, arguments->json ? &json : NULL);
    } while (count > 0 && !console_interrupted());
    if (arguments->json) {
        json_close(&json, ']');
    } else if (count == 0) {
        print_exit_reason(domid);
        if (xl_option_count(arguments, 'f')) {
            follow(&op, records);
        }
    }
    free(records);
    return 0;
}

static int why_past(const struct xl_arguments *arguments, const struct domain_past *past)
{
    struct json json = JSON_INIT;

    if (!past->has_refusals) {
        return fail(arguments, -XEN_ENOSYS);
    }
    if (arguments->json) {
        json_open(&json, NULL, '[');
    } else if (past->refusals_lost != 0) {
        print_lost(past->refusals_lost);
    }
    for (uint32_t i = 0; i < past->refusal_count; i++) {
        if (arguments->json) {
            print_json(&json, &past->refusals[i]);
        } else {
            print_text(&past->refusals[i]);
        }
    }
    if (arguments->json) {
        json_close(&json, ']');
    } else {
        printf("Domain %u (%s) has ended: %s\n", past->domid, past->name, past->ending);
    }
    return 0;
}

int xl_why(struct xl_arguments *arguments)
{
    const struct domain_past *past = domain_past_find(arguments->argv[0]);
    struct xl_target target;

    if (past != NULL && domain_find_name(arguments->argv[0]) == NULL) {
        return why_past(arguments, past);
    }
    return xl_target(arguments, 0, &target) ? why_living(arguments, target.domid) : 1;
}
