/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spawn.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "userns.h"

int user_find(struct user *ret, const char *name, struct choppy_err *err)
{
	const struct passwd *pw;

	memset(ret, 0, sizeof(*ret));
	if (!name || !*name)
		return 0;
	errno = 0;
	pw = getpwnam(name);
	if (!pw)
		return err_set(err, -EINVAL, "there is no user '%s' on this machine", name);
	ret->set = true;
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	snprintf(ret->name, sizeof(ret->name), "%s", pw->pw_name);
	snprintf(ret->home, sizeof(ret->home), "%s", pw->pw_dir);
	snprintf(ret->shell, sizeof(ret->shell), "%s", pw->pw_shell);
	return 0;
}

void signals_take(struct signal_state *ret, const sigset_t *block)
{
	struct sigaction old, ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, &old);
	ret->pipe_ignored = old.sa_handler == SIG_IGN;
	/* A parent that ignores SIGCHLD would make wait(2) fail here. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, block, &ret->mask);
}

void signals_give(const struct signal_state *s)
{
	signal(SIGPIPE, s->pipe_ignored ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

void signals_drop(void)
{
	const struct timespec none = { 0 };
	sigset_t set;

	signals_forwarded(&set);
	while (sigtimedwait(&set, NULL, &none) > 0)
		;
}

void signals_forwarded(sigset_t *set)
{
	static const int list[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		sigaddset(set, list[i]);
}

bool signal_wants_forwarding(int sig, int si_code)
{
	return si_code != SI_KERNEL || sig == SIGHUP;
}

static int become(const struct user *u)
{
	if (initgroups(u->name, u->gid) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return -errno;
	setenv("HOME", u->home, 1);
	setenv("USER", u->name, 1);
	setenv("LOGNAME", u->name, 1);
	setenv("SHELL", u->shell, 1);
	return 0;
}

int spawn_exec(char *const argv[], const struct user *u)
{
	int r = u && u->set ? become(u) : 0;

	if (r == 0 && u && u->drop)
		r = powers_drop();
	if (r < 0)
		return r;
	/* After the change of user, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], argv);
	return -errno;
}

int spawn_status(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

int spawn_failed(int code, const char *name, struct choppy_err *err)
{
	if (code == -ENOENT || code == -ENOTDIR) {
		err_set(err, code, "command '%s' was not found", name);
		return CHOPPY_EXIT_NOTFOUND;
	}
	err_sys(err, code, "command '%s' cannot be executed", name);
	return CHOPPY_EXIT_NOEXEC;
}
