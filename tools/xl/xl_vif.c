// SPDX-License-Identifier: MIT
/* What becomes of an entry of vif= (xl-network-configuration) here. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_config.h"

#define MTU_MIN 68U /* of IPv4 */
#define MTU 1500U

struct words {
    struct xl_memory *memory;
    struct xl_vif *vif;
    struct xl_why *why;
};

static bool set_text(struct words *w, const char **to, const char *value)
{
    *to = xl_text(w->memory, value, strlen(value));
    return *to || xl_because(w->why, "there is no memory");
}

static bool number_read(const char *text, unsigned long most, unsigned long *number)
{
    char *end;

    *number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *number <= most;
}

/* Six hexadecimal numbers with something between them; what follows is left alone, as by xl. */
static bool set_mac(struct words *w, const char *value)
{
    struct xl_vif *vif = w->vif;

    for (unsigned int i = 0; i < 6; i++) {
        char *end;
        unsigned long byte = strtoul(value, &end, 16);
        if (end == value || byte > 255) {
            return xl_because(w->why, "no mac address");
        }
        vif->mac[i] = (uint8_t)byte;
        value = *end ? end + 1 : end;
    }
    vif->has_mac = true;
    return (vif->mac[0] & 1) == 0 ||
           xl_because(w->why, "mac: the address of a group cannot be a guest's own");
}

static bool set_type(struct words *w, const char *value)
{
    return strcmp(value, "vif") == 0 ||
           xl_because(w->why, "type %.60s: a PV guest has interfaces of type vif only", value);
}

static bool set_bridge(struct words *w, const char *value)
{
    return set_text(w, &w->vif->bridge, value);
}

static bool set_ip(struct words *w, const char *value)
{
    return set_text(w, &w->vif->ip, value);
}

/* The script that puts a vif on a bridge is what is done here without one. */
static bool set_script(struct words *w, const char *value)
{
    const char *slash = strrchr(value, '/');

    if (*value && strcmp(slash ? slash + 1 : value, "vif-bridge") != 0) {
        return xl_because(w->why, "script %.60s: no scripts are run, each vif is on a bridge",
                          value);
    }
    return set_text(w, &w->vif->script, value);
}

static bool set_backend(struct words *w, const char *value)
{
    return !*value || strcmp(value, "0") == 0 || strcmp(value, "Domain-0") == 0 ||
           xl_because(w->why, "backend %.60s: back ends are in domain 0 only", value);
}

static bool set_name(struct words *w, const char *value)
{
    if (strpbrk(value, "/: \t\n\v\f\r") || strlen(value) > 15) {
        return xl_because(w->why, "vifname: at most 15 characters, no blank, / or :");
    }
    if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0) {
        return xl_because(w->why, "vifname: no interface is called %s", value);
    }
    unsigned int domid, id;
    char rest;
    if (sscanf(value, "vif%u.%u%c", &domid, &id, &rest) == 2) {
        return xl_because(w->why, "vifname: \"%.60s\" is a name of interfaces that are given none",
                          value);
    }
    return set_text(w, &w->vif->name, value);
}

static bool set_rate(struct words *w, const char *value)
{
    return xl_rate_parse(value, &w->vif->rate_bytes, &w->vif->rate_usecs, w->why);
}

static bool set_id(struct words *w, const char *value)
{
    unsigned long id;

    if (!number_read(value, INT_MAX, &id)) {
        return xl_because(w->why, "no devid: \"%.60s\"", value);
    }
    w->vif->id = (uint32_t)id;
    return true;
}

static bool set_mtu(struct words *w, const char *value)
{
    unsigned long mtu;

    if (!number_read(value, MTU, &mtu) || mtu < MTU_MIN) {
        return xl_because(w->why, "mtu: %u to %u bytes, which is what the bridge carries", MTU_MIN,
                          MTU);
    }
    w->vif->mtu = (unsigned int)mtu;
    return true;
}

/* Ours: may the guest send with addresses that are not its own? */
static bool set_antispoof(struct words *w, const char *value)
{
    w->vif->foreign_addresses = strcmp(value, "0") == 0;
    return w->vif->foreign_addresses || strcmp(value, "1") == 0 ||
           xl_because(w->why, "antispoof is 0 or 1, not \"%.60s\"", value);
}

static bool set_nothing(struct words *w, const char *value)
{
    (void)w, (void)value;
    return true;
}

static const struct {
    const char *key;
    bool (*set)(struct words *w, const char *value);
} valued[] = {
    {"accel",      set_nothing  }, /* xl gives a warning */
    {"antispoof",  set_antispoof},
    {"backend",    set_backend  },
    {"bridge",     set_bridge   },
    {"devid",      set_id       },
    {"gatewaydev", set_nothing  }, /* of vif-route and vif-nat, which are refused */
    {"ip",         set_ip       },
    {"mac",        set_mac      },
    {"model",      set_nothing  }, /* of emulated cards */
    {"mtu",        set_mtu      },
    {"netdev",     set_nothing  },
    {"rate",       set_rate     },
    {"script",     set_script   },
    {"type",       set_type     },
    {"vifname",    set_name     },
};

/* `word` without blanks around it. */
static bool word_read(struct words *w, char *word)
{
    char *value = strchr(word, '='), *end;

    if (!value) {
        w->vif->untrusted = strcmp(word, "untrusted") == 0;
        return w->vif->untrusted || strcmp(word, "trusted") == 0 ||
               xl_because(w->why, "unknown parameter \"%.60s\"", word);
    }
    for (end = value; end > word && (end[-1] == ' ' || end[-1] == '\t'); end--) {
    }
    *end = '\0';
    value++;
    value += strspn(value, " \t");
    for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
        if (strcmp(word, valued[i].key) == 0) {
            return valued[i].set(w, value);
        }
    }
    if (strncmp(word, "colo_", 5) == 0 || strcmp(word, "forwarddev") == 0) {
        return xl_because(w->why, "%.60s: COLO replication is not offered", word);
    }
    return xl_because(w->why, "unknown parameter \"%.60s\"", word);
}

bool xl_vif_parse(struct xl_memory *memory, struct xl_vif *vif, const char *text,
                  struct xl_why *why)
{
    struct words w = {.memory = memory, .vif = vif, .why = why};

    *vif = (struct xl_vif){
        .bridge = "", .ip = "", .script = "", .name = "", .mtu = MTU, .id = XL_VIF_ANY};
    while (*text) {
        size_t length = strcspn(text, ",");
        char *word = xl_text(memory, text, length), *end;
        if (!word) {
            return xl_because(why, "there is no memory");
        }
        text += length + (text[length] == ',');
        word += strspn(word, " \t\n");
        for (end = word + strlen(word);
             end > word && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n'); end--) {
        }
        *end = '\0';
        if (*word && !word_read(&w, word)) {
            return false;
        }
    }
    return true;
}

/* --- rate ------------------------------------------------------------------------------------ */

/* Decimal digits and a letter that scales them, of "G", "M", "K" or none; *text moves behind. */
static bool scaled_read(const char **text, uint64_t *value)
{
    char *end;

    if (**text < '0' || **text > '9' || (*text)[1] == 'x' || (*text)[1] == 'X') {
        return false;
    }
    *value = strtoull(*text, &end, 0); /* octal with a leading 0, as by xl */
    *text = end;
    return *value > 0 && *value <= UINT32_MAX;
}

static bool bytes_read(const char **text, uint64_t *bytes)
{
    const char *at = *text;

    if (!scaled_read(&at, bytes)) {
        return false;
    }
    *bytes *= *at == 'G' ? 1000000000 : *at == 'M' ? 1000000 : *at == 'K' ? 1000 : 1;
    at += *at == 'G' || *at == 'M' || *at == 'K';
    if (*at != 'b' && *at != 'B') {
        return false;
    }
    *bytes /= *at == 'b' ? 8 : 1;
    *text = at + 3;
    return strncmp(at + 1, "/s", 2) == 0;
}

/* Seconds, if nothing is said. */
static bool interval_read(const char *text, uint64_t *usecs)
{
    if (!scaled_read(&text, usecs)) {
        return false;
    }
    *usecs *= *text == 'm' ? 1000 : *text == 'u' ? 1 : 1000000;
    text += *text == 'm' || *text == 'u';
    text += *text == 's';
    return !*text && *usecs <= UINT32_MAX;
}

bool xl_rate_parse(const char *text, uint64_t *bytes, uint32_t *usecs, struct xl_why *why)
{
    const char *at = text;
    uint64_t rate, interval = 50000;

    if (!bytes_read(&at, &rate) || (*at && *at != '@')) {
        return xl_because(why, "no rate: \"%.60s\"", text);
    }
    if (*at && !interval_read(at + 1, &interval)) {
        return xl_because(why, "no interval of a rate: \"%.60s\"", text);
    }
    if (rate > UINT64_MAX / interval) {
        return xl_because(why, "the rate is too large: \"%.60s\"", text);
    }
    *usecs = (uint32_t)interval;
    *bytes = rate * interval / 1000000;
    return *bytes || xl_because(why, "less than a byte in an interval: \"%.60s\"", text);
}
