// SPDX-License-Identifier: MIT
#include "pvguest/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pvguest/calendar.h"

#define SERVER "pvguest"
#define DAY 86400

struct span {
    const char *at;
    size_t length;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool equals(struct span s, const char *word)
{
    return s.length == strlen(word) && strncasecmp(s.at, word, s.length) == 0;
}

/* What a token may consist of (RFC 9110, section 5.6.2). */
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.length; i++) {
        char c = s.at[i];
        if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return s.length > 0;
}

static struct span trim(struct span s)
{
    while (s.length && (*s.at == ' ' || *s.at == '\t')) {
        s.at++;
        s.length--;
    }
    while (s.length && (s.at[s.length - 1] == ' ' || s.at[s.length - 1] == '\t')) {
        s.length--;
    }
    return s;
}

/* The part before the first `stop`; *rest becomes what is behind it. All of it if there is none. */
static struct span cut(struct span *rest, char stop)
{
    const char *found = rest->length ? memchr(rest->at, stop, rest->length) : NULL;
    struct span part = {rest->at, found ? (size_t)(found - rest->at) : rest->length};
    size_t taken = part.length + (found != NULL);

    *rest = (struct span){rest->at + taken, rest->length - taken};
    return part;
}

/* A whole decimal number; too large becomes UINT64_MAX. */
static bool number(struct span s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (!is_digit(s.at[i])) {
            return false;
        }
        uint64_t digit = (uint64_t)(s.at[i] - '0');
        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    return s.length > 0;
}

/* Dates ------------------------------------------------------------------------------------------- */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began with a Thursday */

void http_date_format(char text[HTTP_DATE_SIZE], int64_t time)
{
    int64_t day = time >= 0 ? time / DAY : 0, second = time >= 0 ? time % DAY : 0, year = 1970;
    unsigned int month = 12;

    year += day / 366; /* not too late; few steps are left */
    while (calendar_days(year + 1, 1, 1) <= day) {
        year++;
    }
    while (calendar_days(year, month, 1) > day) {
        month--;
    }
    snprintf(text, HTTP_DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + day % 7 * 3,
             (int)(day - calendar_days(year, month, 1)) + 1, months + (month - 1) * 3,
             (int)(year % 10000), (int)(second / 3600), (int)(second / 60 % 60),
             (int)(second % 60));
}

struct date {
    int year, month, day, hour, minute, second;
};

/* Takes up to `digits` digits, blanks before them skipped. */
static bool take_digits(struct span *s, unsigned int digits, int *value)
{
    unsigned int count = 0;

    for (*value = 0; s->length && count < digits && is_digit(*s->at); count++) {
        *value = *value * 10 + (*s->at - '0');
        s->at++;
        s->length--;
    }
    return count > 0;
}

static bool take_text(struct span *s, const char *text)
{
    size_t length = strlen(text);

    if (s->length < length || memcmp(s->at, text, length) != 0) {
        return false;
    }
    *s = (struct span){s->at + length, s->length - length};
    return true;
}

static bool take_month(struct span *s, int *month)
{
    for (*month = 1; *month <= 12; ++*month) {
        char name[4] = {0};
        memcpy(name, months + (*month - 1) * 3, 3);
        if (take_text(s, name)) {
            return true;
        }
    }
    return false;
}

static bool take_clock(struct span *s, struct date *d)
{
    return take_digits(s, 2, &d->hour) && take_text(s, ":") && take_digits(s, 2, &d->minute) &&
           take_text(s, ":") && take_digits(s, 2, &d->second);
}

/* "06 Nov 1994 08:49:37 GMT", or with "-" between and two digits for the year (RFC 850). */
static bool read_date(struct span s, struct date *d, const char *between)
{
    if (!take_digits(&s, 2, &d->day) || !take_text(&s, between) || !take_month(&s, &d->month) ||
        !take_text(&s, between) || !take_digits(&s, 4, &d->year) || !take_text(&s, " ") ||
        !take_clock(&s, d) || !take_text(&s, " GMT")) {
        return false;
    }
    if (*between == '-' && d->year < 100) {
        d->year += d->year < 70 ? 2000 : 1900;
    }
    return s.length == 0;
}

/* "Sun Nov  6 08:49:37 1994" (asctime), without the day of the week. */
static bool read_asctime(struct span s, struct date *d)
{
    return take_month(&s, &d->month) && take_text(&s, " ") && (take_text(&s, " ") || true) &&
           take_digits(&s, 2, &d->day) && take_text(&s, " ") && take_clock(&s, d) &&
           take_text(&s, " ") && take_digits(&s, 4, &d->year) && s.length == 0;
}

int64_t http_date_parse(const char *text, size_t length)
{
    struct span rest = trim((struct span){text, length});
    bool has_comma = rest.length && memchr(rest.at, ',', rest.length) != NULL;
    struct date d = {0};

    cut(&rest, has_comma ? ',' : ' '); /* the day of the week says nothing new */
    bool is_good = has_comma ? take_text(&rest, " ") &&
                                   (read_date(rest, &d, " ") || read_date(rest, &d, "-"))
                             : read_asctime(rest, &d);
    if (!is_good || d.year < 1583 || d.day < 1 || d.day > 31 || d.hour > 23 || d.minute > 59 ||
        d.second > 60) {
        return HTTP_NO_TIME;
    }
    return calendar_days(d.year, (unsigned int)d.month, (unsigned int)d.day) * DAY + d.hour * 3600 +
           d.minute * 60 + d.second;
}

/* Requests ---------------------------------------------------------------------------------------- */
size_t http_head_length(const char *data, size_t length)
{
    /* Lines end with LF, before which one CR is ignored (RFC 9112, section 2.2). */
    for (size_t i = 0, line = 0; i < length; i++) {
        if (data[i] != '\n') {
            continue;
        }
        bool is_empty = i == line || (i == line + 1 && data[line] == '\r');
        if (is_empty && line > 0) {
            return i + 1;
        }
        line = i + 1;
    }
    return 0;
}

static int hex_digit(char c)
{
    return is_digit(c)                              ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* The path of a target, decoded: "/a%20b?x", or "http://host/a%20b?x" as proxies get it. */
static unsigned int read_target(struct http_request *request, struct span target)
{
    size_t used = 0;

    if (target.length > 7 && strncasecmp(target.at, "http://", 7) == 0) {
        target = (struct span){target.at + 7, target.length - 7};
        const char *slash = memchr(target.at, '/', target.length);
        size_t host = slash ? (size_t)(slash - target.at) : target.length;
        target = slash ? (struct span){slash, target.length - host} : (struct span){"/", 1};
    }
    target = cut(&target, '?');
    for (size_t i = 0; i < target.length; i++) {
        int c = (unsigned char)target.at[i];
        if (c == '%') {
            int high = i + 2 < target.length ? hex_digit(target.at[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(target.at[i + 2]) : -1;
            c = low >= 0 ? high << 4 | low : 0;
            i += 2;
        }
        if (c == 0 || (i == 0 && c != '/')) {
            return 400;
        }
        if (used == sizeof(request->path) - 1) {
            return 414;
        }
        request->path[used++] = (char)c;
    }
    request->path[used] = '\0';
    return used ? 200 : 400;
}

static enum http_method read_method(struct span name)
{
    static const char *const known[] = {"POST",    "PUT",   "DELETE", "CONNECT",
                                        "OPTIONS", "TRACE", "PATCH"};

    /* Methods are told apart by case. */
    if (name.length == 3 && memcmp(name.at, "GET", 3) == 0) {
        return HTTP_GET;
    }
    if (name.length == 4 && memcmp(name.at, "HEAD", 4) == 0) {
        return HTTP_HEAD;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (name.length == strlen(known[i]) && memcmp(name.at, known[i], name.length) == 0) {
            return HTTP_NOT_ALLOWED;
        }
    }
    return HTTP_UNKNOWN;
}

static unsigned int read_request_line(struct http_request *request, struct span line)
{
    struct span method = cut(&line, ' '), target = cut(&line, ' ');

    if (!is_token(method) || target.length == 0 || line.length != 8 ||
        memcmp(line.at, "HTTP/", 5) != 0 || !is_digit(line.at[5]) || line.at[6] != '.' ||
        !is_digit(line.at[7])) {
        return 400;
    }
    if (line.at[5] != '1') {
        return 505;
    }
    request->method = read_method(method);
    request->is_1_1 = line.at[7] != '0';
    request->keep_alive = request->is_1_1;
    if (request->method == HTTP_NOT_ALLOWED && target.length == 1 && *target.at == '*') {
        target.at = "/"; /* OPTIONS * */
    }
    return read_target(request, target);
}

/* One range of bytes; several, or what is none, are ignored (RFC 9110, section 14.2). */
static void read_range(struct http_request *request, struct span value)
{
    uint64_t first, last = UINT64_MAX;
    struct span unit = cut(&value, '=');

    if (!equals(trim(unit), "bytes")) {
        return;
    }
    value = trim(value);
    if (!value.length || memchr(value.at, ',', value.length) ||
        !memchr(value.at, '-', value.length)) {
        return;
    }
    struct span from = trim(cut(&value, '-'));
    value = trim(value);
    if (from.length == 0) {
        if (number(value, &last)) {
            request->range = HTTP_LAST;
            request->last = last;
        }
        return;
    }
    if (!number(from, &first) || (value.length && !number(value, &last)) || last < first) {
        return;
    }
    request->range = HTTP_FROM_TO;
    request->first = first;
    request->last = last;
}

struct fields {
    bool has_host, has_length, has_close;
    uint64_t length;
};

static void read_connection(struct http_request *request, struct span value, struct fields *seen)
{
    while (value.length) {
        struct span token = trim(cut(&value, ','));
        seen->has_close |= equals(token, "close");
        request->keep_alive |= equals(token, "keep-alive");
    }
    request->keep_alive &= !seen->has_close;
}

static unsigned int read_field(struct http_request *request, struct span line, struct fields *seen)
{
    uint64_t length;
    const char *colon = line.length ? memchr(line.at, ':', line.length) : NULL;
    struct span name = cut(&line, ':'), value = trim(line);

    if (!colon || !is_token(name) || (value.length && memchr(value.at, '\0', value.length))) {
        return 400; /* continued lines too (RFC 9112, section 5.2) */
    }
    if (equals(name, "Host")) {
        if (seen->has_host) {
            return 400;
        }
        seen->has_host = true;
    } else if (equals(name, "Connection")) {
        read_connection(request, value, seen);
    } else if (equals(name, "Range")) {
        read_range(request, value);
    } else if (equals(name, "If-Modified-Since")) {
        request->if_modified_since = http_date_parse(value.at, value.length);
    } else if (equals(name, "If-Range")) {
        request->has_if_range = true;
        request->if_range = http_date_parse(value.at, value.length);
    } else if (equals(name, "Transfer-Encoding")) {
        request->has_body = true;
    } else if (equals(name, "Content-Length")) {
        if (!number(value, &length) || (seen->has_length && seen->length != length)) {
            return 400;
        }
        seen->has_length = true;
        seen->length = length;
        request->has_body |= length > 0;
    }
    return 200;
}

unsigned int http_parse(struct http_request *request, const char *head, size_t length)
{
    struct span rest = {head, length};
    struct fields seen = {0};
    unsigned int status = 0;

    memset(request, 0, sizeof(*request));
    request->if_modified_since = request->if_range = HTTP_NO_TIME;
    while (rest.length) {
        struct span line = cut(&rest, '\n');
        if (line.length && line.at[line.length - 1] == '\r') {
            line.length--;
        }
        if (line.length == 0) {
            continue; /* in front of the request, or the end */
        }
        status = status ? read_field(request, line, &seen) : read_request_line(request, line);
        if (status != 200) {
            return status;
        }
    }
    if (!status || (request->is_1_1 && !seen.has_host)) {
        return 400;
    }
    return request->method == HTTP_UNKNOWN ? 501 : request->method == HTTP_NOT_ALLOWED ? 405 : 200;
}

/* Replies ----------------------------------------------------------------------------------------- */
static const struct reason {
    unsigned int status;
    const char *text, *body;
} reasons[] = {
#define REASON(status, text)                                                                       \
    {                                                                                              \
        status, text, "<!DOCTYPE html>\n<html><body><h1>" #status " " text "</h1></body></html>\n" \
    }
    {200, "OK",              NULL},
    {206, "Partial Content", NULL},
    {304, "Not Modified",    NULL},
    REASON(400, "Bad Request"),
    REASON(404, "Not Found"),
    REASON(405, "Method Not Allowed"),
    REASON(408, "Request Timeout"),
    REASON(414, "URI Too Long"),
    REASON(416, "Range Not Satisfiable"),
    REASON(431, "Request Header Fields Too Large"),
    REASON(501, "Not Implemented"),
    REASON(503, "Service Unavailable"),
    REASON(505, "HTTP Version Not Supported"),
    REASON(500, "Internal Server Error"), /* and whatever is not above */
};

static const struct reason *reason_of(unsigned int status)
{
    size_t i = 0;

    while (i < sizeof(reasons) / sizeof(reasons[0]) - 1 && reasons[i].status != status) {
        i++;
    }
    return &reasons[i];
}

static void head_add(struct http_reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void head_add(struct http_reply *reply, const char *format, ...)
{
    size_t room = sizeof(reply->head) - reply->head_length;
    va_list args;

    va_start(args, format);
    int n = vsnprintf(reply->head + reply->head_length, room, format, args);
    va_end(args);
    reply->head_length += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

static void head_begin(struct http_reply *reply, int64_t now)
{
    char date[HTTP_DATE_SIZE];

    http_date_format(date, now);
    reply->head_length = 0;
    head_add(reply, "HTTP/1.1 %u %s\r\nServer: " SERVER "\r\nDate: %s\r\n", reply->status,
             reason_of(reply->status)->text, date);
}

/* Both words are said: clients of 1.0 wait for the first, everybody understands the second. */
static void head_end(struct http_reply *reply)
{
    head_add(reply, "Connection: %s\r\n\r\n", reply->keep_alive ? "keep-alive" : "close");
}

static void refuse(struct http_reply *reply, bool is_head, const char *field, uint64_t size,
                   int64_t now)
{
    const char *body = reason_of(reply->status)->body;

    reply->first = reply->count = 0;
    reply->body = is_head ? NULL : body;
    head_begin(reply, now);
    head_add(reply, "Content-Type: text/html\r\nContent-Length: %zu\r\n", strlen(body));
    if (field) {
        head_add(reply, "%s%llu\r\n", field, (unsigned long long)size);
    }
    if (reply->status == 405) {
        head_add(reply, "Allow: GET, HEAD\r\n");
    }
    head_end(reply);
}

void http_refuse(struct http_reply *reply, unsigned int status, bool is_head, bool keep_alive,
                 int64_t now)
{
    reply->status = status;
    reply->keep_alive = keep_alive;
    refuse(reply, is_head, NULL, 0, now);
}

/* Which part is asked for: 200, 206 or 416. */
static unsigned int choose_range(struct http_reply *reply, const struct http_request *request,
                                 const struct http_resource *resource)
{
    uint64_t size = resource->size;
    bool is_other = request->has_if_range &&
                    (request->if_range == HTTP_NO_TIME || request->if_range != resource->modified);

    reply->first = 0;
    reply->count = size;
    if (request->range == HTTP_WHOLE || is_other || request->method != HTTP_GET) {
        return 200;
    }
    if (request->range == HTTP_LAST) {
        reply->count = request->last < size ? request->last : size;
        reply->first = size - reply->count;
        return reply->count ? 206 : 416;
    }
    if (request->first >= size) {
        return 416;
    }
    reply->first = request->first;
    reply->count = (request->last < size - 1 ? request->last : size - 1) - request->first + 1;
    return 206;
}

static bool is_not_modified(const struct http_request *request,
                            const struct http_resource *resource)
{
    return request->if_modified_since != HTTP_NO_TIME && resource->modified != HTTP_NO_TIME &&
           resource->modified <= request->if_modified_since;
}

void http_answer(struct http_reply *reply, const struct http_request *request,
                 const struct http_resource *resource, int64_t now)
{
    char date[HTTP_DATE_SIZE];
    bool is_head = request->method == HTTP_HEAD;

    reply->body = NULL;
    reply->keep_alive = request->keep_alive && !request->has_body;
    if (!resource) {
        http_refuse(reply, 404, is_head, reply->keep_alive, now);
        return;
    }
    reply->status = is_not_modified(request, resource) ? 304
                                                       : choose_range(reply, request, resource);
    if (reply->status == 416) {
        refuse(reply, is_head, "Content-Range: bytes */", resource->size, now);
        return;
    }
    head_begin(reply, now);
    if (resource->modified != HTTP_NO_TIME) {
        http_date_format(date, resource->modified);
        head_add(reply, "Last-Modified: %s\r\n", date);
    }
    if (reply->status == 304) {
        reply->first = reply->count = 0;
    } else {
        head_add(reply, "Content-Type: %s\r\nContent-Length: %llu\r\nAccept-Ranges: bytes\r\n",
                 resource->type, (unsigned long long)reply->count);
    }
    if (reply->status == 206) {
        head_add(reply, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)reply->first,
                 (unsigned long long)(reply->first + reply->count - 1),
                 (unsigned long long)resource->size);
    }
    reply->count = is_head ? 0 : reply->count;
    head_end(reply);
}

const char *http_type(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html"       },
        {".htm",  "text/html"       },
        {".txt",  "text/plain"      },
        {".css",  "text/css"        },
        {".js",   "text/javascript" },
        {".json", "application/json"},
        {".svg",  "image/svg+xml"   },
        {".png",  "image/png"       },
        {".jpg",  "image/jpeg"      },
        {".jpeg", "image/jpeg"      },
        {".gif",  "image/gif"       },
        {".ico",  "image/x-icon"    },
        {".pdf",  "application/pdf" },
        {".xml",  "text/xml"        },
        {".gz",   "application/gzip"},
        {".wasm", "application/wasm"},
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(dot, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}
