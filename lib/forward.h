/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward.h - forwarding switched on for one device of the host, shared by labs:
 * the first one saves the old value, the last one restores it.
 */
#ifndef CHOPPY_FORWARD_H
#define CHOPPY_FORWARD_H

#include "state.h"

/*
 * Under the lock, with the journal entry "forward FAMILY IFINDEX DEV" already written: count lab
 * @name as a user of forwarding on the device and switch it on. @family: 4
 * (IPV4_DEVCONF_FORWARDING) or 6 (force_forwarding, Linux 6.17).
 */
int forward_hold(int root, const char *name, int family, int ifindex, const char *dev,
		 struct choppy_err *err);
/* Under the lock: no longer a user; the last one puts the old value back if it is still ours. */
int forward_release(int root, const char *name, int family, int ifindex, const char *dev,
		    struct choppy_err *err);
/* Whether IPv6 forwarding can be switched for one device here. */
bool forward_has6(void);

#endif
