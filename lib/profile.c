/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named sets of conditions. All are one way and per direction; where a source tells a round
 * trip, each direction has half of it. None of the sources is a measurement with a date:
 * the names are shared, the numbers are not, so each row says whose they are. A queue is as long
 * as it is by default, since no source tells one.
 */
#include "choppy.h"

#define NLC "Apple Network Link Conditioner"
#define NLC_OLD NLC ", an older release"
#define WPT "WebPageTest, connectivity.ini; half of its round trip each way"
#define CHROME "Chrome DevTools, the target values; half of the round trip each way"
#define ATC "Augmented Traffic Control (Facebook), profiles"
#define PATCHBAY "patchbay, LinkCondition"

/* clang-format off */
static const struct choppy_profile profiles[] = {
	{ "3g", "up rate 330kbit delay 100ms down rate 780kbit delay 100ms",
	  "a mobile phone network of the third generation, average", NLC },
	{ "3g-good", "up rate 420kbit delay 100ms down rate 850kbit delay 100ms",
	  "the same where it is good", NLC_OLD },
	{ "3g-lossy", "up rate 330kbit delay 100ms down rate 780kbit delay 100ms loss 1%",
	  "the same with losses on the way down", NLC_OLD },
	{ "edge", "up rate 200kbit delay 440ms down rate 240kbit delay 400ms",
	  "a mobile phone network of the second generation, average", NLC },
	{ "edge-good", "up rate 200kbit delay 370ms down rate 250kbit delay 350ms",
	  "the same where it is good", NLC_OLD },
	{ "edge-lossy", "up rate 200kbit delay 440ms down rate 240kbit delay 400ms loss 1%",
	  "the same with losses on the way down", NLC_OLD },
	{ "lte", "up rate 10mbit delay 65ms down rate 50mbit delay 50ms",
	  "a mobile phone network of the fourth generation",
	  NLC "; rates as Proxyman's upper bounds, delays unverified" },
	{ "dsl", "up rate 256kbit delay 5ms down rate 2mbit delay 5ms",
	  "a telephone line", NLC "; delays as in Augmented Traffic Control" },
	{ "wifi", "up rate 33mbit delay 1ms down rate 40mbit delay 1ms",
	  "a wireless network at home", NLC },
	{ "wifi-bad", "delay 40ms 15ms loss 2% rate 20mbit",
	  "a wireless network at the end of its reach", PATCHBAY " wifi-bad" },
	{ "very-bad", "rate 1mbit delay 500ms loss 10%",
	  "slow, far and lossy", NLC ", Very Bad Network" },
	{ "100-loss", "loss 100%", "nothing arrives", NLC ", 100% Loss" },
	{ "geo", "delay 300ms 20ms loss 0.5% rate 25mbit",
	  "a geostationary satellite", PATCHBAY " satellite-geo" },
	{ "leo", "up trace leo-up down trace leo",
	  "a low orbit satellite network: a change of path every 15 s",
	  "choppy's own trace, made by published measurements" },
	{ "train", "up trace train-up down trace train",
	  "a mobile phone network from a train, with tunnels",
	  "choppy's own trace, made by published measurements" },
	{ "wpt-cable", "delay 14ms up rate 1mbit down rate 5mbit",
	  "a cable network", WPT },
	{ "wpt-dsl", "delay 25ms up rate 384kbit down rate 1.5mbit", "a telephone line", WPT },
	{ "wpt-fios", "delay 2ms up rate 5mbit down rate 20mbit", "a fibre", WPT },
	{ "wpt-dial-up", "delay 60ms up rate 30kbit down rate 49kbit", "a modem", WPT },
	{ "wpt-2g", "delay 400ms up rate 256kbit down rate 280kbit",
	  "a mobile phone network of the second generation", WPT },
	{ "wpt-edge", "delay 420ms up rate 200kbit down rate 240kbit",
	  "the same, its fastest kind", WPT },
	{ "wpt-3g-slow", "delay 200ms rate 400kbit",
	  "a mobile phone network of the third generation, slow", WPT },
	{ "wpt-3g", "delay 150ms up rate 768kbit down rate 1.6mbit", "the same, average", WPT },
	{ "wpt-3g-fast", "delay 75ms up rate 768kbit down rate 1.6mbit", "the same, fast", WPT },
	{ "wpt-4g", "delay 85ms rate 9mbit",
	  "a mobile phone network of the fourth generation", WPT },
	{ "wpt-lte", "delay 35ms rate 12mbit", "the same, faster", WPT },
	{ "chrome-3g", "delay 200ms rate 500kbit",
	  "a mobile phone network of the third generation", CHROME ", 3G (was Slow 3G)" },
	{ "chrome-slow-4g", "delay 75ms up rate 750kbit down rate 1.6mbit",
	  "one of the fourth generation, slow; Lighthouse's mobile default but for 2.4% of its rate "
	  "down", CHROME ", Slow 4G (was Fast 3G)" },
	{ "chrome-fast-4g", "delay 30ms up rate 1.5mbit down rate 9mbit", "the same, fast",
	  CHROME ", Fast 4G" },
	{ "atc-2g-rural", "delay 650ms loss 2% up rate 18kbit down rate 20kbit",
	  "a mobile phone network of the second generation in the country, where it is new", ATC },
	{ "atc-2g-urban", "delay 650ms up rate 32kbit down rate 35kbit", "the same in town", ATC },
	{ "atc-3g-good", "up rate 420kbit delay 100ms down rate 850kbit delay 90ms",
	  "a mobile phone network of the third generation, good", ATC },
	{ "atc-cable", "delay 2ms up rate 1mbit down rate 6mbit", "a cable network", ATC },
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */

const struct choppy_profile *choppy_profiles(void)
{
	return profiles;
}
