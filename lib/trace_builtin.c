/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The built-in traces: values over time made for choppy by the facts below. They
 * are not recordings. Each has a rate for the way down and one for the way up.
 *
 * leo - a terminal of a low orbit satellite network, Starlink's class; 120 s.
 *   - Every 15 s the network assigns all paths anew (Mohan and others, "A multifaceted look at
 *     Starlink performance", WWW 2024; Huston, "A transport protocol's view of Starlink", APNIC
 *     2024): eight intervals, each with a delay and a rate of its own.
 *   - Round trips to servers nearby: 20 ms at the least, median 50 ms, 40 to 60 ms for the
 *     middle half (Michel and others, "A first look at Starlink performance", IMC 2022): one way
 *     21 to 38 ms here, median 26 ms.
 *   - Successive round trips differ by 6.7 ms on average (Huston): an even jitter of 7 ms each way
 *     gives 6.5 ms.
 *   - At the change the round trip rises by 30 to 50 ms (Huston) and up to half of the packets are
 *     lost (Kassem and others, "A browser-side view of Starlink connectivity", IMC 2022):
 *     80 ms without anything, then 220 ms with half lost and 20 ms more each way. Between,
 *     0.4%: in all 1.7%, where Huston found 1% to 2%.
 *   - Rates: medians of 62 to 97 Mbit/s down and 7 to 14 Mbit/s up in the USA (Ookla, 2021 and
 *     2022), 10 to 370 Mbit/s down over the day (Huston): 35 to 210 down, 5 to 17 up.
 *
 * train - a mobile phone network from a train at 160 km/h; 180 s.
 *   - In the open an LTE link: 25 ms, jitter 8 ms; in a deep cutting what is left is a 3G one:
 *     100 ms, jitter 30 ms, 2% loss (as patchbay's presets mobile-4g and mobile-3g have them).
 *   - Two tunnels without cover: 400 m take 9 s, 180 m take 4 s.
 *   - The change between LTE and 3G interrupts for 3 s to 4.5 s (T-Mobile in Germany, 2013,
 *     github.com/olgen2013/HandoverMeasurements): 3 s here. One between LTE cells: 0.2 s.
 *   - Rates are ours: 40 Mbit/s where cover is best, 1.5 Mbit/s before it ends.
 */
#include "tracefile.h"

#include <string.h>

#include "util.h"

/* clang-format off */
#define HEAD "time_s,rate_mbit,delay_ms,jitter_ms,loss_percent,outage\n"

/* An assignment from @t: nothing passes, much is lost, it is steady. */
#define LEO(t, rate, delay, raised)            \
	#t ".00," #rate "," #raised ",7,50,1\n" \
	#t ".08,,,,,0\n"                        \
	#t ".30,," #delay ",,0.4,\n"

/* It begins behind an assignment, and ends in that one. */
#define LEO_FIRST(rate, delay) "0," #rate "," #delay ",7,0.4,0\n"
#define LEO_LAST(rate, raised)                   \
	"119.70," #rate "," #raised ",7,50,1\n" \
	"119.78,,,,,0\n"                        \
	"120\n"

static const char leo[] = HEAD
	LEO_FIRST(120, 24) LEO(15, 85, 31, 51) LEO(30, 160, 22, 42) LEO(45, 60, 27, 47)
	LEO(60, 35, 38, 58) LEO(75, 110, 25, 45) LEO(90, 210, 21, 41) LEO(105, 75, 33, 53)
	LEO_LAST(120, 44);

static const char leo_up[] = HEAD
	LEO_FIRST(14, 24) LEO(15, 9, 31, 51) LEO(30, 12, 22, 42) LEO(45, 7, 27, 47)
	LEO(60, 5, 38, 58) LEO(75, 13, 25, 45) LEO(90, 17, 21, 41) LEO(105, 10, 33, 53)
	LEO_LAST(14, 44);

#define TRAIN(r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12)       \
	"0," #r0 ",25,8,0.5,0     # a station\n"                             \
	"20," #r1 ",25,8,0.2,     # open country\n"                          \
	"35," #r2 ",35,12,0.5,    # farther from the mast\n"                 \
	"45," #r3 ",60,20,1,      # a cutting\n"                             \
	"50," #r4 ",100,30,2,     # and the last of its cover\n"             \
	"54,,,,,1                 # a tunnel of 400 m\n"                     \
	"63," #r5 ",100,30,2,0    # out of it on 3G\n"                       \
	"70,,,,,1                 # change to LTE\n"                         \
	"73," #r6 ",45,12,0.5,0\n"                                           \
	"85," #r7 ",25,8,0.2,     # open country\n"                          \
	"110," #r8 ",40,12,0.5,   # the edge of a cell\n"                    \
	"118,,,,,1                # the next cell\n"                         \
	"118.2," #r9 ",30,10,0.3,0\n"                                        \
	"135," #r10 ",70,20,1,    # a cutting\n"                             \
	"141,,,,,1                # a tunnel of 180 m\n"                     \
	"145," #r10 ",80,20,1,0\n"                                           \
	"152," #r11 ",35,10,0.5,  # farther from the mast\n"                 \
	"165," #r12 ",25,8,0.2,   # open country\n"                          \
	"180\n"

static const char train[] = HEAD
	TRAIN(30, 40, 18, 6, 1.5, 2, 12, 35, 10, 25, 4, 20, 40);
static const char train_up[] = HEAD
	TRAIN(12, 16, 7, 2, 0.4, 0.5, 4, 14, 3, 10, 1, 8, 16);
/* clang-format on */

static const struct {
	const char *name, *text;
} built_in[] = {
	{ "leo", leo },
	{ "leo-up", leo_up },
	{ "train", train },
	{ "train-up", train_up },
};

const char *trace_builtin_name(unsigned int i)
{
	return i < ARRAY_SIZE(built_in) ? built_in[i].name : NULL;
}

const char *trace_builtin_text(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(built_in); i++)
		if (strcmp(name, built_in[i].name) == 0)
			return built_in[i].text;
	return NULL;
}
