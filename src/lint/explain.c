/* SPDX-License-Identifier: BSD-2-Clause */
/* What each rule is about: why it breaks, and when. */
#include "src/lint/lint.h"

static const char syntax
	[] = "The program that owns the file may refuse to start, or take a default in silence. Whatever could be read "
	     "of the file was judged.",
  include[] =
	  "The program refuses to start, or starts without what the file says; ports that are declared there were not "
	  "judged.",
  ephemeral[] =
	  "The kernel gives ports of ip_local_port_range to outgoing connections, for IPv4 and IPv6. While one has a "
	  "port, a server cannot bind it: \"Address already in use\" at some restart, most likely on a busy host, and gone "
	  "at the next try. A range loses ports one by one; single calls, transfers or migrations fail.",
  refused[] =
	  "ip_local_port_range may not begin below ip_unprivileged_port_start: the kernel answers \"Invalid argument\" to "
	  "whichever is written last, and the host keeps the value that it had.",
  overlap[] =
	  "Whichever program comes first has the port; the other one fails, or skips it and has fewer than its file "
	  "says. A datagram can reach the wrong program.",
  twice[] =
	  "The second of them to start fails with \"Address already in use\": after a reboot it may be the other one.",
  denied[] =
	  "systemd refuses the bind() with EPERM, \"Operation not permitted\", root's too: the service fails at its next start.",
  source[] =
	  "A resolver or NAT that chooses source ports itself does not look at ip_local_reserved_ports. While it "
	  "sends from a server's port the server cannot start, or an answer meets the server.",
  clients[] = "Clients beyond the range's end are refused while the program still accepts them.",
  live[] =
	  "A firewall that follows the file does not know this port, or the program has not read its file again.",
  applied[] =
	  "The file was changed after the last `sysctl --system`, something set the sysctl by hand, or this is a "
	  "container whose namespace has values of its own. After a reboot the file holds.",
  nodeport[] =
	  "kube-proxy sends what arrives at a NodePort to a pod, before a local listener sees it.",
  resvport[] =
	  "bindresvport(), which NFS and NIS clients use, takes the first free port from 600 to 1023. Where that runs before "
	  "the server, the server cannot start until the next boot.",
  suppress[] = "Who reads the file next cannot tell whether the finding was looked at: write "
	       "\"berth-lint: ignore RULE: reason\".",
  floating[] =
	  "Without a port of its own the program gets another one at each start, out of the ephemeral range: no "
	  "firewall rule can name it, and it may be the very port that another server needs.",
  names[] = "Programs of the host look for that service at this port.",
  open[] =
	  "While a service restarts, any user's program can take its port and answer in its name: \"berth grant\" gives low "
	  "ports to those who need them, and keeps everybody else off.",
  reserved[] =
	  "ip_local_reserved_ports only keeps the kernel from choosing a port itself; it never chooses one outside "
	  "of ip_local_port_range. Of several files of sysctl.d the last one's list counts, and theirs are not added up.",
  adjacent[] =
	  "As soon as somebody widens ip_local_port_range downwards, connections take NodePorts.";

const struct berth_lint_rule_text berth_lint_rules[] = {
#define ROW(id, name, level, what) { #name, what, BERTH_LINT_##level, name },
	BERTH_LINT_RULES(ROW)
#undef ROW
};

const char *berth_lint_level_name(enum berth_lint_level level)
{
	static const char *const word[] = { "note", "warning", "error" };

	return word[level];
}
