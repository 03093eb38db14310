// SPDX-License-Identifier: MIT
/* What a guest's console says that it died of: headlines before dumps, last lines, hostile text. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/last_words.h"
#include "tests/report.h"

/* From a copy of exactly this length: the sanitizer sees what is read around it. */
static const char *words_of(const char *text, size_t length, size_t room)
{
    static char words[64];
    char *copy = malloc(length ? length : 1);

    memcpy(copy, text, length);
    memset(words, 'x', sizeof(words));
    last_words(copy, length, words, room);
    CU_ASSERT_PTR_NOT_NULL(memchr(words, '\0', room));
    CU_ASSERT_TRUE(room == sizeof(words) || words[room] == 'x');
    free(copy);
    return words;
}

static const char *words(const char *text)
{
    return words_of(text, strlen(text), 64);
}

static void lines(void)
{
    CU_ASSERT_STRING_EQUAL(words(""), "");
    CU_ASSERT_STRING_EQUAL(words("\r\n\n  \n"), "");
    CU_ASSERT_STRING_EQUAL(words("one\r\ntwo\r\n"), "two");
    CU_ASSERT_STRING_EQUAL(words("one\r\ntwo"), "two");
    CU_ASSERT_STRING_EQUAL(
        words("hello\n\nPANIC in thread main: no\r\nrax 0\r\nstack:\r\n 0 0\r\n"),
        "PANIC in thread main: no");
    CU_ASSERT_STRING_EQUAL(words("PANIC one\nPANIC two\n"), "PANIC two");
    CU_ASSERT_STRING_EQUAL(words("[ 1.2] Kernel panic - not syncing: VFS\nCall Trace:\n"),
                           "[ 1.2] Kernel panic - not syncing: VFS");
    CU_ASSERT_STRING_EQUAL(words("PANIC one\n\r\nEXIT STATUS 3\r\nlate\n"), "EXIT STATUS 3");
    CU_ASSERT_STRING_EQUAL(words("STACK OVERFLOW in thread a\ntrace: 1\n"),
                           "STACK OVERFLOW in thread a");
    CU_ASSERT_STRING_EQUAL(words("UNHANDLED EXCEPTION 14\nDOUBLE FAULT: exception 14\n"),
                           "DOUBLE FAULT: exception 14");
}

static void hostile(void)
{
    char text[300];

    CU_ASSERT_STRING_EQUAL(words("a\x1b[2J\x07\xff\"b\\\n"), "a[2J\"b\\");
    CU_ASSERT_STRING_EQUAL(words_of("abc\0def", 7, 64), "abcdef");
    CU_ASSERT_STRING_EQUAL(words_of("abcdef", 6, 4), "abc");
    CU_ASSERT_STRING_EQUAL(words_of("PAN", 3, 64), "PAN");
    CU_ASSERT_STRING_EQUAL(words_of("x", 1, 1), "");
    srand(17);
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)rand() % sizeof(text);
        for (size_t i = 0; i < length; i++) {
            text[i] = rand() % 8 ? (char)rand() : '\n';
        }
        words_of(text, length, 1 + (size_t)rand() % 63);
    }
}

static const struct report_case cases[] = {REPORT_CASE(lines), REPORT_CASE(hostile)};

int main(void)
{
    return report_run("last_words", cases, sizeof(cases) / sizeof(cases[0]));
}
