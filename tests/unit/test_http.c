// SPDX-License-Identifier: MIT
// HTTP without sockets: requests as clients and attackers write them, and what is answered.
#include "pvguest/http.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW 1767225600     // 2026-01-01 00:00:00
#define MODIFIED 784111777 // Sun, 06 Nov 1994 08:49:37 GMT
#define MODIFIED_TEXT "Sun, 06 Nov 1994 08:49:37 GMT"

static struct http_request request;
static struct http_reply reply;
static const struct http_resource file = {"text/plain", 1000, MODIFIED};

static unsigned int parse(const char *head)
{
    size_t length = strlen(head);
    char *copy = malloc(length); // exactly that long: the sanitizer sees overruns

    memcpy(copy, head, length);
    unsigned int status = http_head_length(copy, length) == length
                              ? http_parse(&request, copy, length)
                              : 0;
    free(copy);
    return status;
}

#define GET(fields) "GET / HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

static unsigned int answer(const char *head)
{
    CU_ASSERT_EQUAL(parse(head), 200);
    memset(&reply, 0x55, sizeof(reply));
    http_answer(&reply, &request, &file, NOW);
    CU_ASSERT_FATAL(reply.head_length < sizeof(reply.head));
    reply.head[reply.head_length] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(reply.head, "\r\n\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(reply.head, "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"));
    return reply.status;
}

static bool says(const char *field)
{
    return strstr(reply.head, field) != NULL;
}

static void heads(void)
{
    CU_ASSERT_EQUAL(http_head_length("GET / HTTP/1.1\r\n\r\nrest", 22), 18);
    CU_ASSERT_EQUAL(http_head_length("GET / HTTP/1.0\n\n", 16), 16);
    CU_ASSERT_EQUAL(http_head_length("GET / HTTP/1.1\r\n\r", 17), 0);
    CU_ASSERT_EQUAL(http_head_length("GET / HTTP/1.1\r\nA: b\r\n", 22), 0);
    CU_ASSERT_EQUAL(http_head_length("\r\n\r\n", 4), 4); // an empty request
    CU_ASSERT_EQUAL(http_head_length("", 0), 0);
}

static void persistence(void)
{
    static const struct {
        const char *head;
        bool keep_alive;
    } cases[] = {
        {GET(""),                                                true },
        {GET("Connection: close\r\n"),                           false},
        {GET("Connection: keep-alive\r\n"),                      true },
        {GET("connection: TE , CLOSE\r\n"),                      false},
        {GET("Connection: close\r\nConnection: keep-alive\r\n"), false},
        {GET("Content-Length: 5\r\n"),                           false},
        {GET("Transfer-Encoding: chunked\r\n"),                  false},
        {GET("Content-Length: 0\r\n"),                           true },
        {"GET / HTTP/1.0\r\n\r\n",                               false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",     true },
        {"GET / HTTP/1.0\n\n",                                   false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(answer(cases[i].head), 200);
        CU_ASSERT_EQUAL(reply.keep_alive, cases[i].keep_alive);
        CU_ASSERT_TRUE(says(cases[i].keep_alive ? "Connection: keep-alive" : "Connection: close"));
    }
}

static void bad_requests(void)
{
    static const struct {
        const char *head;
        unsigned int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n",                                                      400}, // no Host
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                                400},
        {"GET /\r\n\r\n",                                                               400},
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",                                          400},
        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",                                          400},
        {"GET / http/1.1\r\nHost: x\r\n\r\n",                                           400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n",                                           505},
        {"GET / HTTP/11\r\nHost: x\r\n\r\n",                                            400},
        {"get / HTTP/1.1\r\nHost: x\r\n\r\n",                                           501},
        {"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",                                       501},
        {"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",                                           400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n",                     405},
        {"DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n",                                       405},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",                                       405},
        {"GET a HTTP/1.1\r\nHost: x\r\n\r\n",                                           400},
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n",                                           400},
        {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",                                        400},
        {"GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n",                                         400},
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",                                        400},
        {"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",                                400},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n",                                          400},
        {"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",                               400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",                     400},
        {"\r\n\r\n",                                                                    400},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned int status = parse(cases[i].head);
        if (status != cases[i].status) {
            printf("%u instead of %u: %s\n", status, cases[i].status, cases[i].head);
            CU_FAIL("status");
        }
        http_refuse(&reply, status, false, false, NOW);
        reply.head[reply.head_length] = '\0';
        CU_ASSERT_TRUE(says("Connection: close") && reply.body);
        CU_ASSERT_EQUAL(says("Allow: GET, HEAD"), status == 405);
    }
}

static void targets(void)
{
    char head[2000];

    CU_ASSERT_EQUAL(parse("GET /a%20b/%C3%A9?q=%zz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CU_ASSERT_STRING_EQUAL(request.path, "/a b/\xc3\xa9");
    CU_ASSERT_EQUAL(parse("GET http://host:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CU_ASSERT_STRING_EQUAL(request.path, "/a");
    CU_ASSERT_EQUAL(parse("GET HTTP://host HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CU_ASSERT_STRING_EQUAL(request.path, "/");
    CU_ASSERT_EQUAL(parse("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200); // an empty line in front
    snprintf(head, sizeof(head), "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_PATH_MAX - 2, 1);
    CU_ASSERT_EQUAL(parse(head), 200);
    snprintf(head, sizeof(head), "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_PATH_MAX - 1, 1);
    CU_ASSERT_EQUAL(parse(head), 414);
}

static void ranges(void)
{
    static const struct {
        const char *head;
        unsigned int status;
        uint64_t first, count;
    } cases[] = {
        {GET(""),                                                                200, 0,   1000},
        {GET("Range: bytes=0-99\r\n"),                                           206, 0,   100 },
        {GET("Range: bytes=500-\r\n"),                                           206, 500, 500 },
        {GET("Range: bytes=-100\r\n"),                                           206, 900, 100 },
        {GET("Range: bytes=-5000\r\n"),                                          206, 0,   1000},
        {GET("Range: bytes=999-999\r\n"),                                        206, 999, 1   },
        {GET("Range: bytes=10-5000\r\n"),                                        206, 10,  990 },
        {GET("Range: bytes=1000-\r\n"),                                          416, 0,   0   },
        {GET("Range: bytes=-0\r\n"),                                             416, 0,   0   },
        {GET("Range: bytes=99999999999999999999-\r\n"),                          416, 0,   0   },
        {GET("Range: bytes=5-4\r\n"),                                            200, 0,   1000},
        {GET("Range: bytes=0-1,5-6\r\n"),                                        200, 0,   1000},
        {GET("Range: lines=0-1\r\n"),                                            200, 0,   1000},
        {GET("Range: bytes=a-b\r\n"),                                            200, 0,   1000},
        {GET("Range: bytes=\r\n"),                                               200, 0,   1000},
        {GET("Range: bytes=-\r\n"),                                              200, 0,   1000},
        {GET("Range: bytes=0-9\r\nIf-Range: " MODIFIED_TEXT "\r\n"),             206, 0,   10  },
        {GET("Range: bytes=0-9\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), 200, 0,   1000},
        {GET("Range: bytes=0-9\r\nIf-Range: \"tag\"\r\n"),                       200, 0,   1000},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned int status = answer(cases[i].head);
        if (status != cases[i].status || reply.first != cases[i].first ||
            reply.count != cases[i].count) {
            printf("%u %lu %lu: %s\n", status, reply.first, reply.count, cases[i].head);
            CU_FAIL("range");
        }
    }
    answer(GET("Range: bytes=500-\r\n"));
    CU_ASSERT_TRUE(says("Content-Range: bytes 500-999/1000\r\n") &&
                   says("Content-Length: 500\r\n"));
    answer(GET("Range: bytes=1000-\r\n"));
    CU_ASSERT_TRUE(says("Content-Range: bytes */1000\r\n") && reply.body);
    CU_ASSERT_EQUAL(parse(GET("Range: bytes=0-\r\n")), 200);
    http_answer(&reply, &request, &(struct http_resource){"text/plain", 0, HTTP_NO_TIME}, NOW);
    CU_ASSERT_EQUAL(reply.status, 416); // nothing to have a part of
}

static void conditions(void)
{
    CU_ASSERT_EQUAL(answer(GET("If-Modified-Since: " MODIFIED_TEXT "\r\n")), 304);
    CU_ASSERT_TRUE(reply.count == 0 && !says("Content-Length") &&
                   says("Last-Modified: " MODIFIED_TEXT));
    CU_ASSERT_EQUAL(answer(GET("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n")), 200);
    CU_ASSERT_EQUAL(answer(GET("If-Modified-Since: yesterday\r\n")), 200);
    CU_ASSERT_EQUAL(answer("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CU_ASSERT_TRUE(reply.count == 0 && says("Content-Length: 1000\r\n") &&
                   says("Content-Type: text/plain"));
    CU_ASSERT_EQUAL(answer("HEAD / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n"), 200);
    CU_ASSERT_EQUAL(parse("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    http_answer(&reply, &request, NULL, NOW);
    CU_ASSERT_TRUE(reply.status == 404 && !reply.body && reply.keep_alive);
}

static void dates(void)
{
    static const char *const good[] = {MODIFIED_TEXT, "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994", "Sun Nov 6 08:49:37 1994"};
    static const char *const bad[] = {"",
                                      "Sun, 06 Nov 1994",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nix 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 GMT+1",
                                      ",",
                                      "x"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT_EQUAL(http_date_parse(good[i], strlen(good[i])), MODIFIED);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(http_date_parse(bad[i], strlen(bad[i])), HTTP_NO_TIME);
    for (int64_t t = 0; t < 8000000000; t += 86400 * 13 + 4321) { // against the C library
        char text[HTTP_DATE_SIZE], theirs[64];
        time_t seconds = t;
        http_date_format(text, t);
        strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&seconds));
        CU_ASSERT_STRING_EQUAL(text, theirs);
        CU_ASSERT_EQUAL(http_date_parse(text, strlen(text)), t);
    }
}

static void random_requests(void)
{
    static const char *const pieces[] = {"GET ",
                                         "/",
                                         "HEAD ",
                                         " HTTP/1.1",
                                         "\r\n",
                                         "\n",
                                         "Host: x",
                                         "Range: bytes=",
                                         "-",
                                         "9",
                                         ",",
                                         "%41",
                                         "%",
                                         "?",
                                         "http://",
                                         "Connection: ",
                                         "close",
                                         "\r\n\r\n",
                                         ":",
                                         " ",
                                         "If-Modified-Since: " MODIFIED_TEXT,
                                         "Content-Length: ",
                                         "\x80"};

    srand(1);
    for (unsigned int round = 0; round < 30000; round++) {
        char head[512] = "";
        for (int i = rand() % 16; i > 0; i--)
            strcat(head, pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
        strcat(head, "\r\n\r\n");
        head[http_head_length(head, strlen(head))] = '\0';
        if (parse(head) == 200) {
            http_answer(&reply, &request, round % 3 ? &file : NULL, NOW);
            CU_ASSERT_TRUE(reply.first + reply.count <= file.size);
        }
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(heads),   REPORT_CASE(persistence),     REPORT_CASE(bad_requests),
    REPORT_CASE(targets), REPORT_CASE(ranges),          REPORT_CASE(conditions),
    REPORT_CASE(dates),   REPORT_CASE(random_requests),
};

int main(void)
{
    return report_run("http", cases, sizeof(cases) / sizeof(cases[0]));
}
