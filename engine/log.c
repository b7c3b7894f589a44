/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void log_flush(struct log *log)
{
	size_t at = 0;

	while (at < log->len && !log->error) {
		ssize_t n = write(log->fd, log->buf + at, log->len - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			log->error = -errno;
	}
	for (; at < log->len; at++)
		log->lost += log->buf[at] == '\n';
	log->len = 0;
}

void log_verdict(struct log *log, const struct verdict *v, const char *flow)
{
	char line[VERDICT_LINE_MAX];
	int n = verdict_print(line, v, flow);

	if (log->error) {
		log->lost++;
		return;
	}
	if (log->len + (size_t)n > sizeof(log->buf))
		log_flush(log);
	memcpy(log->buf + log->len, line, (size_t)n);
	log->len += (size_t)n;
}
