/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The condition model: what is accepted and how it prints, what is refused and
 * with which exact words, merging, checking, and print -> parse for random states.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "choppy.h"
#include "value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORDS_MAX 128
#define SEC 1000000000ull

/* Split @line at single spaces (two in a row: an empty word) and parse it. */
static int parse(struct choppy_change *ret, const char *line, bool allow_clear,
		 struct choppy_err *err)
{
	const char *words[WORDS_MAX];
	char buf[4096];
	char *p = buf, *word;
	int n = 0;

	assert_true(strlen(line) < sizeof(buf));
	strcpy(buf, line);
	while ((word = strsep(&p, " ")) && (n || *word || p))
		words[n++] = word;
	return choppy_change_parse(ret, n, words, allow_clear, err);
}

/* ------------------------------------------------------------------ values */

static uint64_t value_n(const struct choppy_condition *c, int field)
{
	uint64_t n;

	memcpy(&n, (const char *)c + choppy_fields()[field].offset, sizeof(n));
	return n;
}

static const struct {
	const char *words;
	enum choppy_field field;
	uint64_t n;
	const char *printed; /* the whole clause */
	enum choppy_unit unit;
} values[] = {
	{ "delay 0ns", CHOPPY_DELAY, 0, "delay 0ns", 0 },
	{ "delay 1ns", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "delay 1nsec", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "delay 2nsecs", CHOPPY_DELAY, 2, "delay 2ns", 0 },
	{ "delay 3us", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3usec", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3usecs", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3\u00b5s", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3\u03bcs", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 50ms", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 50msec", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 50msecs", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 50MS", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 2s", CHOPPY_DELAY, 2 * SEC, "delay 2s", 0 },
	{ "delay 2sec", CHOPPY_DELAY, 2 * SEC, "delay 2s", 0 },
	{ "delay 2secs", CHOPPY_DELAY, 2 * SEC, "delay 2s", 0 },
	{ "delay 3600s", CHOPPY_DELAY, 3600 * SEC, "delay 3600s", 0 },
	{ "delay 1.5ms", CHOPPY_DELAY, 1500000, "delay 1.5ms", 0 },
	{ "delay .5ms", CHOPPY_DELAY, 500000, "delay 500us", 0 },
	{ "delay 0.05s", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 1500ms", CHOPPY_DELAY, 1500000000, "delay 1.5s", 0 },
	{ "delay 0.000000001s", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "delay 1.2345678s", CHOPPY_DELAY, 1234567800, "delay 1234567.8us", 0 },
	{ "delay 1.000000001s", CHOPPY_DELAY, 1000000001, "delay 1000000.001us", 0 },
	{ "delay 007ms", CHOPPY_DELAY, 7000000, "delay 7ms", 0 },
	{ "delay 2.00000000000000000000000000000000ns", CHOPPY_DELAY, 2, "delay 2ns", 0 },
	{ "delay 000000000000000000000000000000001ns", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "loss 0%", CHOPPY_LOSS, 0, "loss 0%", 0 },
	{ "loss 0.0000001%", CHOPPY_LOSS, 1, "loss 0.0000001%", 0 },
	{ "loss 0.001%", CHOPPY_LOSS, 10000, "loss 0.001%", 0 },
	{ "loss 0.1%", CHOPPY_LOSS, 1000000, "loss 0.1%", 0 },
	{ "loss 12.3456789%", CHOPPY_LOSS, 123456789, "loss 12.3456789%", 0 },
	{ "loss 30%", CHOPPY_LOSS, 300000000, "loss 30%", 0 },
	{ "loss 100%", CHOPPY_LOSS, 1000000000, "loss 100%", 0 },
	{ "rate 8bit", CHOPPY_RATE, 8, "rate 8bit", 0 },
	{ "rate 64kbit", CHOPPY_RATE, 64000, "rate 64kbit", 0 },
	{ "rate 20mbit", CHOPPY_RATE, 20000000, "rate 20mbit", 0 },
	{ "rate 20Mbit", CHOPPY_RATE, 20000000, "rate 20mbit", 0 },
	{ "rate 2.5gbit", CHOPPY_RATE, 2500000000, "rate 2.5gbit", 0 },
	{ "rate 1tbit", CHOPPY_RATE, 1000000000000, "rate 1tbit", 0 },
	{ "rate 1000gbit", CHOPPY_RATE, 1000000000000, "rate 1tbit", 0 },
	{ "rate 1kibit", CHOPPY_RATE, 1024, "rate 1.024kbit", 0 },
	{ "rate 1mibit", CHOPPY_RATE, 1048576, "rate 1048.576kbit", 0 },
	{ "rate 1gibit", CHOPPY_RATE, 1073741824, "rate 1073741.824kbit", 0 },
	{ "rate 0.5tibit", CHOPPY_RATE, 549755813888, "rate 549755813.888kbit", 0 },
	{ "rate 1234567bit", CHOPPY_RATE, 1234567, "rate 1234.567kbit", 0 },
	{ "limit 1p", CHOPPY_LIMIT, 1, "limit 1packet", CHOPPY_PACKETS },
	{ "limit 2pkt", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 2pkts", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 2packet", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 2.0packets", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 10000000p", CHOPPY_LIMIT, 10000000, "limit 10000000packets", CHOPPY_PACKETS },
	{ "limit 1b", CHOPPY_LIMIT, 1, "limit 1byte", CHOPPY_BYTES },
	{ "limit 1byte", CHOPPY_LIMIT, 1, "limit 1byte", CHOPPY_BYTES },
	{ "limit 1000bytes", CHOPPY_LIMIT, 1000, "limit 1000bytes", CHOPPY_BYTES },
	{ "limit 64kb", CHOPPY_LIMIT, 65536, "limit 64kb", CHOPPY_BYTES },
	{ "limit 64KiB", CHOPPY_LIMIT, 65536, "limit 64kb", CHOPPY_BYTES },
	{ "limit 64k", CHOPPY_LIMIT, 65536, "limit 64kb", CHOPPY_BYTES },
	{ "limit 1536b", CHOPPY_LIMIT, 1536, "limit 1.5kb", CHOPPY_BYTES },
	{ "limit 3mb", CHOPPY_LIMIT, 3 << 20, "limit 3mb", CHOPPY_BYTES },
	{ "limit 3mib", CHOPPY_LIMIT, 3 << 20, "limit 3mb", CHOPPY_BYTES },
	{ "limit 3m", CHOPPY_LIMIT, 3 << 20, "limit 3mb", CHOPPY_BYTES },
	{ "limit 64gb", CHOPPY_LIMIT, 64ull << 30, "limit 64gb", CHOPPY_BYTES },
	{ "limit 1gib", CHOPPY_LIMIT, 1 << 30, "limit 1gb", CHOPPY_BYTES },
	{ "limit 1g", CHOPPY_LIMIT, 1 << 30, "limit 1gb", CHOPPY_BYTES },
	{ "limit 50ms", CHOPPY_LIMIT, 50000000, "limit 50ms", CHOPPY_NANOSECONDS },
	{ "limit 1.5s", CHOPPY_LIMIT, 1500000000, "limit 1.5s", CHOPPY_NANOSECONDS },
	{ "limit 1ns", CHOPPY_LIMIT, 1, "limit 1ns", CHOPPY_NANOSECONDS },
	{ "limit 3600s", CHOPPY_LIMIT, 3600 * SEC, "limit 3600s", CHOPPY_NANOSECONDS },
};

static void test_values_are_exact(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(values); i++) {
		struct choppy_change c;
		struct choppy_err err;
		char text[128];
		int d, n;

		if (parse(&c, values[i].words, false, &err) < 0)
			fail_msg("%s: %s", values[i].words, err.msg);
		for (d = 0; d < CHOPPY_NDIRS; d++) {
			assert_int_equal(c.dir[d].set, CHOPPY_FIELD_BIT(values[i].field));
			assert_int_equal(value_n(&c.dir[d], values[i].field), values[i].n);
			assert_int_equal(c.dir[d].limit.unit, values[i].unit);
			assert_false(c.clear[d]);
		}
		n = choppy_condition_print(text, sizeof(text), &c.dir[0]);
		assert_string_equal(text, values[i].printed);
		assert_int_equal(n, strlen(text));
	}
}

/* ----------------------------------------------------------------- grammar */

static const struct {
	const char *words, *printed;
	bool clear_up, clear_down;
} accepted[] = {
	{ "", "no condition", false, false },
	{ "loss 30%", "loss 30% each way", false, false },
	{ "delay 50ms 10ms loss 30%", "delay 50ms 10ms loss 30% each way", false, false },
	{ "loss 30% delay 50ms 10ms", "delay 50ms 10ms loss 30% each way", false, false },
	{ "delay 5ms 0ms", "delay 5ms 0ns each way", false, false },
	{ "up loss 30%", "up loss 30%", false, false },
	{ "down delay 5ms", "down delay 5ms", false, false },
	{ "up loss 30% down delay 5ms", "up loss 30%, down delay 5ms", false, false },
	{ "down delay 5ms up loss 30%", "up loss 30%, down delay 5ms", false, false },
	{ "up loss 3% down loss 3%", "loss 3% each way", false, false },
	{ "up loss 1% down loss 2% up delay 3ms", "up delay 3ms loss 1%, down loss 2%", false,
	  false },
	{ "loss 10% up loss 30%", "up loss 30%, down loss 10%", false, false },
	{ "loss 30% up rate 1mbit limit 5p", "loss 30% each way, up rate 1mbit limit 5packets",
	  false, false },
	{ "delay 5ms 1ms up delay 5ms 2ms", "up delay 5ms 2ms, down delay 5ms 1ms", false, false },
	{ "delay 5ms 1ms up delay 7ms", "up delay 7ms 1ms, down delay 5ms 1ms", false, false },
	{ "rate 1mbit up limit 5p down limit 5b",
	  "rate 1mbit each way, up limit 5packets, down limit 5bytes", false, false },
	{ "clear", "no condition", true, true },
	{ "clear loss 10%", "loss 10% each way", true, true },
	{ "up clear", "no condition", true, false },
	{ "up clear loss 10% down delay 1ms", "up loss 10%, down delay 1ms", true, false },
	{ "loss 30% down clear", "up loss 30%", false, true },
	{ "delay 50ms 10ms loss 30% up rate 1mbit down clear",
	  "up delay 50ms 10ms loss 30% rate 1mbit", false, true },
	{ "clear loss 10% up clear", "down loss 10%", true, true },
	{ "clear up clear down clear", "no condition", true, true },
};

static void test_grammar(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(accepted); i++) {
		struct choppy_change c;
		struct choppy_err err;
		char text[256];
		int n;

		if (parse(&c, accepted[i].words, true, &err) < 0)
			fail_msg("%s: %s", accepted[i].words, err.msg);
		n = choppy_condition_print_both(text, sizeof(text), c.dir);
		assert_string_equal(text, accepted[i].printed);
		assert_int_equal(n, strlen(text));
		assert_int_equal(c.clear[CHOPPY_UP], accepted[i].clear_up);
		assert_int_equal(c.clear[CHOPPY_DOWN], accepted[i].clear_down);
	}
}

/* ----------------------------------------------------------------- refused */

#define USE "use delay, loss, rate, limit, up or down"
#define USE_OR_CLEAR "use delay, loss, rate, limit, up, down or clear"

static const struct {
	const char *words;
	const char *line;
	const char *context; /* NULL: the words as they are */
	const char *caret; /* behind the two spaces */
	bool allow_clear;
} refused[] = {
	/* no unit */
	{ "loss 30", "loss needs its unit: 30%", NULL, "     ^~", false },
	{ "loss 0.3", "loss needs its unit: 0.3%", NULL, "     ^~~", false },
	{ "loss 300", "loss needs its unit: 30%", NULL, "     ^~~", false },
	{ "loss 30 %", "loss needs its unit: 30%", NULL, "     ^~", false },
	{ "delay 100", "delay needs its unit: 100ms, 100us or 100s", NULL, "      ^~~", false },
	{ "delay 5000", "delay needs its unit: 5000ms or 5000us", NULL, "      ^~~~", false },
	{ "delay 0.0000001", "delay needs its unit: 0.0000001s", NULL, "      ^~~~~~~~~", false },
	{ "delay 5ms 1", "jitter needs its unit: 1ms, 1us or 1s", NULL, "          ^", false },
	{ "rate 20", "rate needs its unit: 20mbit, 20kbit or 20gbit", NULL, "     ^~", false },
	{ "limit 1000", "limit needs its unit: 1000packets, 64kb or 50ms", NULL, "      ^~~~",
	  false },
	{ "limit 1.5", "limit needs its unit: 64kb or 50ms", NULL, "      ^~~", false },
	/* a unit that is none */
	{ "delay 5min", "delay has no unit 'min': use s, ms, us or ns", NULL, "      ^~~~", false },
	{ "delay 5%", "delay has no unit '%': use s, ms, us or ns", NULL, "      ^~", false },
	{ "loss 30ms", "loss has no unit 'ms': use %", NULL, "     ^~~~", false },
	{ "loss 30%%", "loss has no unit '%%': use %", NULL, "     ^~~~", false },
	{ "rate 20mb", "rate has no unit 'mb': use tbit, gbit, mbit, kbit or bit", NULL,
	  "     ^~~~", false },
	{ "limit 5x", "limit has no unit 'x': use packets, gb, mb, kb, bytes, s, ms, us or ns",
	  NULL, "      ^~", false },
	/* the bit and byte trap */
	{ "rate 20mbps",
	  "tc reads mbps as bytes per second, most people mean bits: write 20mbit or 160mbit", NULL,
	  "     ^~~~~~", false },
	{ "rate 0.5Gbps",
	  "tc reads gbps as bytes per second, most people mean bits: write 500mbit or 4gbit", NULL,
	  "     ^~~~~~~", false },
	{ "rate 64kbps",
	  "tc reads kbps as bytes per second, most people mean bits: write 64kbit or 512kbit", NULL,
	  "     ^~~~~~", false },
	{ "rate 1bps", "tc reads bps as bytes per second, most people mean bits: write 8bit", NULL,
	  "     ^~~~", false },
	{ "rate 200gbps", "tc reads gbps as bytes per second, most people mean bits: write 200gbit",
	  NULL, "     ^~~~~~~", false },
	{ "rate 2tbps", "rate 2tbps is out of range: 8bit to 1tbit", NULL, "     ^~~~~", false },
	/* out of range, finer than the step */
	{ "loss 101%", "loss 101% is out of range: 0% to 100%", NULL, "     ^~~~", false },
	{ "loss 100.0000001%", "loss 100.0000001% is out of range: 0% to 100%", NULL,
	  "     ^~~~~~~~~~~~", false },
	{ "delay 3601s", "delay 3601s is out of range: 0ns to 3600s", NULL, "      ^~~~~", false },
	{ "delay 18446744073709551616ns",
	  "delay 18446744073709551616ns is out of range: 0ns to 3600s", NULL,
	  "      ^~~~~~~~~~~~~~~~~~~~~~", false },
	{ "delay 18446744074s", "delay 18446744074s is out of range: 0ns to 3600s", NULL,
	  "      ^~~~~~~~~~~~", false },
	{ "rate 7bit", "rate 7bit is out of range: 8bit to 1tbit", NULL, "     ^~~~", false },
	{ "rate 0bit", "rate 0bit is out of range: 8bit to 1tbit", NULL, "     ^~~~", false },
	{ "rate 1tibit", "rate 1tibit is out of range: 8bit to 1tbit", NULL, "     ^~~~~~", false },
	{ "limit 0packets", "limit 0packets is out of range: 1packet to 10000000packets", NULL,
	  "      ^~~~~~~~", false },
	{ "limit 65gb", "limit 65gb is out of range: 1byte to 64gb", NULL, "      ^~~~", false },
	{ "limit 3601s", "limit 3601s is out of range: 1ns to 3600s", NULL, "      ^~~~~", false },
	{ "delay 1.5ns", "delay 1.5ns is finer than 1ns, the smallest step", NULL, "      ^~~~~",
	  false },
	{ "loss 0.00000001%", "loss 0.00000001% is finer than 0.0000001%, the smallest step", NULL,
	  "     ^~~~~~~~~~~", false },
	{ "rate 10.5bit", "rate 10.5bit is finer than 1bit, the smallest step", NULL,
	  "     ^~~~~~~", false },
	{ "limit 1.5p", "limit 1.5p is finer than 1packet, the smallest step", NULL, "      ^~~~",
	  false },
	{ "limit 1.0001kb", "limit 1.0001kb is finer than 1byte, the smallest step", NULL,
	  "      ^~~~~~~~", false },
	/* not a plain decimal */
	{ "loss -5%", "loss cannot be negative: for example 30%", NULL, "     ^~~", false },
	{ "delay 5ms -1ms", "jitter cannot be negative: for example 50ms", NULL, "          ^~~~",
	  false },
	{ "delay +1ms", "delay takes no sign: for example 50ms", NULL, "      ^~~~", false },
	{ "delay 1e3ms", "delay takes no exponent: for example 50ms", NULL, "      ^~~~~", false },
	{ "delay 1E-3s", "delay takes no exponent: for example 50ms", NULL, "      ^~~~~", false },
	{ "delay 0x10ms", "delay takes decimal digits, not hexadecimal: for example 50ms", NULL,
	  "      ^~~~~~", false },
	{ "loss 0,5%", "loss takes a dot before its decimals, not a comma: for example 30%", NULL,
	  "     ^~~~", false },
	{ "loss 1.2.3%", "loss takes one dot at most: for example 30%", NULL, "     ^~~~~~",
	  false },
	{ "loss .", "loss needs a digit after the dot: for example 30%", NULL, "     ^", false },
	{ "loss 5.%", "loss needs a digit after the dot: for example 30%", NULL, "     ^~~",
	  false },
	{ "loss nan", "loss needs a number with its unit: for example 30%", NULL, "     ^~~",
	  false },
	{ "loss inf%", "loss needs a number with its unit: for example 30%", NULL, "     ^~~~",
	  false },
	{ "loss %", "loss needs a number with its unit: for example 30%", NULL, "     ^", false },
	{ "loss -", "loss needs a number with its unit: for example 30%", NULL, "     ^", false },
	{ "rate up", "rate needs a number with its unit: for example 10mbit", NULL, "     ^~",
	  false },
	{ "limit x", "limit needs a number with its unit: for example 64kb", NULL, "      ^",
	  false },
	{ "loss ", "loss needs a number with its unit: for example 30%", "loss \"\"", "     ^~",
	  false },
	/* too few, too many */
	{ "loss", "loss needs a value: for example loss 30%", NULL, "^~~~", false },
	{ "loss 1% delay", "delay needs a value: for example delay 50ms", NULL, "        ^~~~~",
	  false },
	{ "loss 30% 25%", "'25%' is one value too many: loss PERCENT", NULL, "         ^~~",
	  false },
	{ "delay 1ms 2ms 3ms", "'3ms' is one value too many: delay TIME [JITTER]", NULL,
	  "              ^~~", false },
	{ "30%", "'30%' has no word before it: for example loss 30%", NULL, "^~~", false },
	{ "loss 5% up 30%", "'30%' has no word before it: for example loss 30%", NULL,
	  "           ^~~", false },
	{ "loss 10% loss 30%", "loss is given twice", NULL, "         ^~~~", false },
	{ "loss 10% up loss 30% delay 1ms loss 2%", "loss is given twice for up", NULL,
	  "                               ^~~~", false },
	{ "up loss 1% down loss 2% up loss 3%", "loss is given twice for up", NULL,
	  "                           ^~~~", false },
	{ "down rate 1mbit rate 1mbit", "rate is given twice for down", NULL,
	  "                ^~~~", false },
	{ "up", "up needs a condition after it: for example up loss 30%", NULL, "^~", false },
	{ "loss 1% down", "down needs a condition after it: for example down loss 30%", NULL,
	  "        ^~~~", false },
	{ "up down loss 1%", "up needs a condition after it: for example up loss 30%", NULL, "^~",
	  false },
	/* clear */
	{ "clear", "clear has nothing to remove here: nothing is set yet", NULL, "^~~~~", false },
	{ "clear clear", "clear is given twice", NULL, "      ^~~~~", true },
	{ "up clear clear", "clear is given twice for up", NULL, "         ^~~~~", true },
	{ "loss 1% clear", "clear would remove what stands before it: put it first", NULL,
	  "        ^~~~~", true },
	{ "up loss 1% down delay 5ms up clear",
	  "clear would remove what stands before it: put it first", NULL,
	  "                             ^~~~~", true },
	/* unknown words */
	{ "foo", "there is no 'foo': " USE, NULL, "^~~", false },
	{ "foo", "there is no 'foo': " USE_OR_CLEAR, NULL, "^~~", true },
	{ "lsos 3%", "there is no 'lsos': did you mean 'loss'?", NULL, "^~~~", false },
	{ "los 3%", "there is no 'los': did you mean 'loss'?", NULL, "^~~", false },
	{ "LOSS 3%", "there is no 'LOSS': did you mean 'loss'?", NULL, "^~~~", false },
	{ "dealy 3ms", "there is no 'dealy': did you mean 'delay'?", NULL, "^~~~~", false },
	{ "rates 3mbit", "there is no 'rates': did you mean 'rate'?", NULL, "^~~~~", false },
	{ "dwon loss 3%", "there is no 'dwon': did you mean 'down'?", NULL, "^~~~", false },
	{ "pu loss 3%", "there is no 'pu': did you mean 'up'?", NULL, "^~", false },
	{ "xy loss 3%", "there is no 'xy': " USE, NULL, "^~", false },
	{ "ip loss 3%", "there is no 'ip': did you mean 'up'?", NULL, "^~", false },
	{ "claer", "there is no 'claer': did you mean 'clear'?", NULL, "^~~~~", true },
	{ "claer", "there is no 'claer': " USE, NULL, "^~~~~", false },
	{ "latency 3ms", "there is no 'latency': did you mean 'delay'?", NULL, "^~~~~~~", false },
	{ "bandwidth 3mbit", "there is no 'bandwidth': did you mean 'rate'?", NULL, "^~~~~~~~~",
	  false },
	{ "jitter 3ms", "jitter is a further value of delay: delay TIME [JITTER]", NULL, "^~~~~~",
	  false },
	{ "loss 1% duplicate 1%", "duplicate is not there yet", NULL, "        ^~~~~~~~~", false },
	{ "corrupt 1%", "corrupt is not there yet", NULL, "^~~~~~~", false },
	{ "delay 1ms 1ms distribution normal", "distribution is not there yet", NULL,
	  "              ^~~~~~~~~~~~", false },
	{ "profile 3g", "profile is not there yet", NULL, "^~~~~~~", false },
	{ "loss 3% -v", "there is no '-v': " USE, NULL, "        ^~", false },
	{ "loss 3%  delay 1ms", "an empty word: leave it out", "loss 3% \"\" delay 1ms",
	  "        ^~", false },
	/* what cannot be shown as it is */
	{ "loss a\x01\x7f\t\x1b[1m", "loss needs a number with its unit: for example 30%",
	  "loss a????[1m", "     ^~~~~~~~", false },
	{ "caf\u00e9 5%", "there is no 'caf\u00e9': " USE, "caf\u00e9 5%", "^~~~", false },
	{ "\u00b5\u00b5 \u65e5", "there is no '\u00b5\u00b5': " USE, "\u00b5\u00b5 ?", "^~",
	  false },
	{ "\xff\xfe\u0301\u00ad loss",
	  "there is no '???"
	  "?': " USE,
	  "???? loss", "^~~~", false },
	{ "loss 1% aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "there is no 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': " USE, NULL,
	  "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", false },
	{ "loss 1% aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	  "there is no 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...': " USE,
	  "loss 1% aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...",
	  "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", false },
	/* a window around the word of a line that is too long */
	{ "xx delay 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down "
	  "rate 7mbit",
	  "there is no 'xx': " USE,
	  "xx delay 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down "
	  "rate ...",
	  "^~", false },
	{ "delay 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down rate "
	  "7mbit yy",
	  "there is no 'yy': " USE,
	  "... 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down rate "
	  "7mbit "
	  "yy",
	  "                                                                                        "
	  "  ^~",
	  false },
	{ "delay 1ms 1ms loss 2% rate 3mbit limit 9packets up delay 4ms 2ms zz loss 5% rate "
	  "6mbit limit 1gb down delay 7ms 3ms loss 8%",
	  "there is no 'zz': " USE,
	  "... 2% rate 3mbit limit 9packets up delay 4ms 2ms zz loss 5% rate 6mbit limit 1gb down "
	  "delay ...",
	  "                                                  ^~", false },
};

static void test_refused_with_the_reason_and_a_caret(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(refused); i++) {
		struct choppy_change c, before;
		struct choppy_err err = { 0 };
		char want[1024];

		memset(&before, 0x5a, sizeof(before));
		c = before;
		assert_int_equal(parse(&c, refused[i].words, refused[i].allow_clear, &err),
				 -EINVAL);
		snprintf(want, sizeof(want), "%s\n  %s\n  %s", refused[i].line,
			 refused[i].context ? refused[i].context : refused[i].words,
			 refused[i].caret);
		assert_string_equal(err.msg, want);
		assert_int_equal(err.code, -EINVAL);
		assert_false(err.cannot);
		assert_memory_equal(&c, &before, sizeof(c));
		assert_int_equal(parse(&c, refused[i].words, refused[i].allow_clear, NULL),
				 -EINVAL);
	}
}

static void test_a_hundred_thousand_words(void **state)
{
	enum { N = 100000 };
	const char **words = calloc(N, sizeof(*words));
	struct choppy_change c;
	struct choppy_err err;
	int i;

	assert_non_null(words);
	for (i = 0; i < N; i++)
		words[i] = i % 2 ? "1ms" : "delay";
	assert_int_equal(choppy_change_parse(&c, N, words, false, &err), -EINVAL);
	assert_int_equal(strncmp(err.msg, "delay is given twice\n  delay 1ms delay ", 38), 0);
	free(words);
}

/* ------------------------------------------------------------ merge, check */

static void test_merge_replaces_only_what_is_named(void **state)
{
	struct choppy_change a, b;
	char text[128];

	assert_int_equal(parse(&a, "delay 50ms 10ms loss 30%", false, NULL), 0);
	assert_int_equal(parse(&b, "loss 5% rate 1mbit limit 7kb", false, NULL), 0);
	b.dir[0].delay_ns = 12345; /* its bit is not set: without meaning */
	choppy_condition_merge(&a.dir[0], &b.dir[0]);
	choppy_condition_print(text, sizeof(text), &a.dir[0]);
	assert_string_equal(text, "delay 50ms 10ms loss 5% rate 1mbit limit 7kb");
	assert_int_equal(a.dir[0].limit.unit, CHOPPY_BYTES);
}

#define BIT(f) CHOPPY_FIELD_BIT(CHOPPY_##f)

static void test_check(void **state)
{
	static const struct {
		struct choppy_condition c;
		const char *line; /* NULL: right */
	} rows[] = {
		{ { .set = 0 }, NULL },
		{ { .set = 0, .loss_ppb = UINT64_MAX, .jitter_ns = 1 }, NULL },
		{ { .set = BIT(DELAY) | BIT(JITTER), .delay_ns = 5, .jitter_ns = 5 }, NULL },
		{ { .set = BIT(LOSS), .loss_ppb = 1000000000 }, NULL },
		{ { .set = BIT(RATE) | BIT(LIMIT), .rate_bps = 8, .limit = { 1, 0, 0 } }, NULL },
		{ { .set = BIT(LOSS), .loss_ppb = 1000000001 },
		  "loss 100.0000001% is out of range: 0% to 100%" },
		{ { .set = BIT(DELAY), .delay_ns = 3600 * SEC + 1 },
		  "delay 3600000000.001us is out of range: 0ns to 3600s" },
		{ { .set = BIT(RATE) }, "rate 0bit is out of range: 8bit to 1tbit" },
		{ { .set = BIT(RATE) | BIT(LIMIT), .rate_bps = 8 },
		  "limit 0packets is out of range: 1packet to 10000000packets" },
		{ { .set = BIT(RATE) | BIT(LIMIT), .rate_bps = 8, .limit = { 1, 3, 0 } },
		  "limit is in a unit that is not known (number 3)" },
		{ { .set = BIT(LIMIT), .limit = { 1, 0, 0 } },
		  "limit is the length of the queue before a rate; without a rate there is no "
		  "queue: add e.g. rate 10mbit" },
		{ { .set = BIT(JITTER), .jitter_ns = 0 },
		  "jitter spreads a delay; without a delay there is nothing to spread: add e.g. "
		  "delay 50ms" },
		{ { .set = BIT(DELAY) | BIT(JITTER), .delay_ns = 5000000, .jitter_ns = 5000001 },
		  "jitter 5000.001us is above delay 5ms: packets cannot leave before they "
		  "arrive; at most delay 5ms 5ms" },
		{ { .set = 1ull << 63 },
		  "a field is set that is not known (bits 0x8000000000000000)" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_err err = { 0 };
		char with_dir[512];

		if (!rows[i].line) {
			assert_int_equal(choppy_condition_check(&rows[i].c, "up", &err), 0);
			continue;
		}
		assert_int_equal(choppy_condition_check(&rows[i].c, NULL, NULL), -EINVAL);
		assert_int_equal(choppy_condition_check(&rows[i].c, NULL, &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].line);
		assert_int_equal(choppy_condition_check(&rows[i].c, "down", &err), -EINVAL);
		snprintf(with_dir, sizeof(with_dir), "down: %s", rows[i].line);
		assert_string_equal(err.msg, with_dir);
		assert_int_equal(err.code, -EINVAL);
	}
}

/* ------------------------------------------------------------- round trips */

/* xorshift64*, so that a failure is found again everywhere. */
static uint64_t random_next(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 2685821657736338717ull;
}

/* From @min to @max; of every size, and often round in the decimal or in the binary way. */
static uint64_t random_value(uint64_t *s, uint64_t min, uint64_t max)
{
	uint64_t n = random_next(s) >> random_next(s) % 64, round = 1;
	int k = (int)(random_next(s) % 10);

	while (k-- > 0)
		round *= n & 1 ? 10 : 4;
	n -= n % round;
	return n < min ? min : n > max ? min + n % (max - min + 1) : n;
}

static void random_condition(struct choppy_condition *c, uint64_t *s)
{
	const struct choppy_field_row *rows = choppy_fields();
	int f;

	memset(c, 0, sizeof(*c));
	c->set = random_next(s) % (1u << CHOPPY_NFIELDS);
	if (!(c->set & BIT(DELAY)))
		c->set &= ~BIT(JITTER);
	if (!(c->set & BIT(RATE)))
		c->set &= ~BIT(LIMIT);
	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		struct choppy_amount a = { 0 };

		if (!(c->set & CHOPPY_FIELD_BIT(f)))
			continue;
		if (rows[f].kind == CHOPPY_KIND_AMOUNT)
			a.unit = (uint32_t)(random_next(s) % CHOPPY_NUNITS);
		a.n = random_value(s, rows[f].min, value_max(&rows[f], a.unit));
		memcpy((char *)c + rows[f].offset, &a, value_size(rows[f].kind));
	}
	if (c->jitter_ns > c->delay_ns)
		c->jitter_ns = c->delay_ns;
}

static void test_print_and_parse_agree(void **state)
{
	uint64_t seed = 20240229;
	int i;

	for (i = 0; i < 200000; i++) {
		struct choppy_condition c;
		struct choppy_change again;
		struct choppy_err err;
		char text[256];

		random_condition(&c, &seed);
		assert_int_equal(choppy_condition_check(&c, NULL, &err), 0);
		choppy_condition_print(text, sizeof(text), &c);
		if (parse(&again, text, false, &err) < 0)
			fail_msg("%s: %s", text, err.msg);
		assert_memory_equal(&again.dir[CHOPPY_UP], &c, sizeof(c));
		assert_memory_equal(&again.dir[CHOPPY_DOWN], &c, sizeof(c));
	}
}

static void test_print_into_any_size(void **state)
{
	static const char whole[] = "delay 50ms 10ms loss 30%";
	struct choppy_change c;
	char buf[64];
	size_t size;

	assert_int_equal(parse(&c, whole, false, NULL), 0);
	assert_int_equal(choppy_condition_print(NULL, 0, &c.dir[0]), strlen(whole));
	for (size = 1; size < sizeof(buf); size++) {
		memset(buf, 'x', sizeof(buf));
		assert_int_equal(choppy_condition_print(buf, size, &c.dir[0]), strlen(whole));
		assert_int_equal(strncmp(buf, whole, size - 1), 0);
		assert_true(memchr(buf, '\0', size));
		if (size < strlen(whole) + 1)
			assert_int_equal(buf[size], 'x');
	}
	memset(&c, 0, sizeof(c));
	strcpy(buf, "old");
	assert_int_equal(choppy_condition_print(buf, sizeof(buf), &c.dir[0]), 0);
	assert_string_equal(buf, "");
}

static void test_a_value_without_its_clause_is_shown_by_name(void **state)
{
	struct choppy_condition c = { .set = BIT(JITTER) | BIT(LOSS), .jitter_ns = 7 };
	char text[64];

	choppy_condition_print(text, sizeof(text), &c);
	assert_string_equal(text, "jitter 7ns loss 0%");
}

/* ------------------------------------------------------------------ tables */

static void test_field_table(void **state)
{
	const struct choppy_field_row *rows = choppy_fields();
	int f, g;

	assert_non_null(rows[0].word);
	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		assert_true(rows[f].name && rows[f].metavar && rows[f].help);
		assert_true(rows[f].min < rows[f].max);
		assert_int_equal(!rows[f].needs, !rows[f].why_needs);
		assert_true(rows[f].offset + value_size(rows[f].kind) <=
			    sizeof(struct choppy_condition));
		for (g = 0; g < f; g++) {
			assert_string_not_equal(rows[f].name, rows[g].name);
			assert_int_not_equal(rows[f].offset, rows[g].offset);
		}
	}
}

static void test_names(void **state)
{
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_LOSS), "loss");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_QUEUE), "queue");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_MEMORY), "memory");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_RECEIVE), "receive");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_SEND), "send");
	assert_string_equal(choppy_drop_name(CHOPPY_NDROPS), "unknown");
	assert_string_equal(choppy_backend_name(CHOPPY_ENGINE), "engine");
	assert_string_equal(choppy_backend_name(CHOPPY_NETEM), "netem");
	assert_string_equal(choppy_uplink_name(CHOPPY_UPLINK_NAT), "nat");
	assert_string_equal(choppy_uplink_name(CHOPPY_UPLINK_NONE), "none");
}

/* What a whole condition lacks is pointed at, in the clause that is in force for the direction. */
static void test_whole_condition(void **state)
{
	static const struct {
		const char *words, *caret;
	} bad[] = {
		{ "limit 10packets", "  ^~~~~" },
		{ "loss 1% limit 10packets", "          ^~~~~" },
		{ "delay 1ms 2ms", "            ^~~" },
		{ "delay 50ms 10ms up delay 5ms 6ms", "                               ^~~" },
		{ "rate 1mbit up limit 5ms down delay 1ms 3ms",
		  "                                         ^~~" },
	};
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char copy[128], *words[16], *save = NULL, *nl;
		int n = 0;

		snprintf(copy, sizeof(copy), "%s", bad[i].words);
		for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
			words[n++] = w;
		assert_int_equal(choppy_condition_parse(dir, n, (const char *const *)words, &err),
				 -EINVAL);
		nl = strrchr(err.msg, '\n');
		assert_non_null(nl);
		assert_string_equal(nl + 1, bad[i].caret);
	}
	{
		const char *const good[] = { "rate", "1mbit", "up", "limit", "5ms" };

		assert_int_equal(choppy_condition_parse(dir, 5, good, &err), 0);
		assert_true(dir[CHOPPY_UP].set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT));
		assert_false(dir[CHOPPY_DOWN].set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_exact),
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_refused_with_the_reason_and_a_caret),
		cmocka_unit_test(test_a_hundred_thousand_words),
		cmocka_unit_test(test_merge_replaces_only_what_is_named),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_print_and_parse_agree),
		cmocka_unit_test(test_print_into_any_size),
		cmocka_unit_test(test_a_value_without_its_clause_is_shown_by_name),
		cmocka_unit_test(test_field_table),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_whole_condition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
