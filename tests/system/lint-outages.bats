# SPDX-License-Identifier: BSD-2-Clause
# berth lint: outages that happened, each with the configuration that led to it and its repaired twin. Needs no privilege.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lint

@test "lint: Nomad with 20000-60000" {
  file /etc/nomad.d/client.hcl <<'END'
client {
  enabled          = true
  min_dynamic_port = 20000
  max_dynamic_port = 60000
}
END
  lint
  found 1 "ephemeral warning /etc/nomad.d/client.hcl:3 27233"
  sed -i s/60000/32000/ "$root/etc/nomad.d/client.hcl"
  lint
  found 0
}

@test "lint: Hadoop 2's ports" {
  file /etc/hadoop/conf/hdfs-site.xml <<'END'
<?xml version="1.0"?>
<configuration>
  <property>
    <name>dfs.datanode.address</name>
    <value>0.0.0.0:50010</value>
  </property>
  <property><name>dfs.namenode.http-address</name><value>nn:50070</value></property>
  <property><name>dfs.replication</name><value>50000</value></property>
</configuration>
END
  lint
  found 1 "ephemeral error /etc/hadoop/conf/hdfs-site.xml:5 1" "ephemeral error /etc/hadoop/conf/hdfs-site.xml:7 1"
  sed -i 's/50010/9866/; s/50070/9870/' "$root/etc/hadoop/conf/hdfs-site.xml"
  lint
  found 0
}

@test "lint: FreeSWITCH's one port" {
  file /etc/freeswitch/autoload_configs/switch.conf.xml <<'END'
<configuration name="switch.conf">
  <settings>
    <param name="rtp-start-port" value="16384"/>
    <!-- <param name="rtp-end-port" value="32768"/> -->
  </settings>
</configuration>
END
  lint
  found 1 "ephemeral warning /etc/freeswitch/autoload_configs/switch.conf.xml:3 1"
  sed -i 's/<!-- //; s/ -->//; s/32768/32766/' "$root/etc/freeswitch/autoload_configs/switch.conf.xml"
  lint
  found 0
}

@test "lint: Gluster's bricks, one for each volume" {
  printf 'volume management\n    option base-port 49152\n    option max-port  60999\nend-volume\n' |
    file /etc/glusterfs/glusterd.vol
  lint
  found 1 "ephemeral warning /etc/glusterfs/glusterd.vol:2 11848"
  sed -i 's/49152/24100/; s/60999/24199/' "$root/etc/glusterfs/glusterd.vol"
  lint
  found 0
}

@test "lint: Gluster's bricks and libvirt's migrations" {
  echo 'net.ipv4.ip_local_reserved_ports = 49152-60999' >"$root/etc/sysctl.d/x.conf"
  printf 'volume management\n    option max-port  60999\nend-volume\n' | file /etc/glusterfs/glusterd.vol
  file /etc/libvirt/qemu.conf <<<'#migration_port_min = 49152'
  lint
  found 1 "overlap warning /etc/glusterfs/glusterd.vol:2 64"
  printf 'migration_port_min = 20000\nmigration_port_max = 20063\n' | file /etc/libvirt/qemu.conf
  lint
  found 0
}

@test "lint: vsftpd's examples" {
  printf 'pasv_min_port=50000\npasv_max_port=60000\n' | file /etc/vsftpd.conf
  lint
  found 1 "ephemeral warning /etc/vsftpd.conf:1 10001"
  jq -e '.ways | index("berth lint --root '"$root"' --fix")' "$tmp/json"
  printf 'pasv_min_port=30000\npasv_max_port=30999\n' | file /etc/vsftpd.conf
  lint
  found 0
  # Clients beyond the range, and a range that nobody named.
  echo 'max_clients=1001' >>"$root/etc/vsftpd.conf"
  lint
  found 1 "clients warning /etc/vsftpd.conf:3 -"
  file /etc/vsftpd.conf <<<'pasv_min_port=0'
  lint
  found 0
  lint --notes
  found 0 "floating note /etc/vsftpd.conf:1 -"
  file /etc/vsftpd.conf <<<'pasv_enable=NO'
  lint --notes
  found 0
}

@test "lint: Samba's RPC services, by default" {
  printf '[global]\n   workgroup = X\n' | file /etc/samba/smb.conf
  lint
  found 1 "ephemeral warning /etc/samba/smb.conf:null 11848"
  printf '[global]\n   workgroup = X\n   RPC Server Dynamic Port Range = 20000-21000\n' | file /etc/samba/smb.conf
  lint
  found 0
  # As a range that was written by hand, half inside.
  sed -i s/20000-21000/32000-33000/ "$root/etc/samba/smb.conf"
  lint
  found 1 "ephemeral warning /etc/samba/smb.conf:3 233"
}

@test "lint: coturn's relays, by default and at the top" {
  printf '#min-port=49152\nlistening-port=3478\nalt-listening-port=0\n' | file /etc/turnserver.conf
  lint
  found 1 "ephemeral warning /etc/turnserver.conf:null 11848"
  printf 'min-port=49152\nmax-port=65535\n' | file /etc/turnserver.conf
  lint
  found 1 "ephemeral warning /etc/turnserver.conf:1 11848"
  printf 'min-port=61000\nmax-port=65535\n' | file /etc/turnserver.conf
  lint
  found 0
}

@test "lint: rtpengine's 30000-40000" {
  printf '[rtpengine]\ninterface = 192.0.2.1\nport-min = 30000\nport-max = 40000\n' | file /etc/rtpengine/rtpengine.conf
  lint
  found 1 "ephemeral warning /etc/rtpengine/rtpengine.conf:3 7233"
  sed -i s/40000/32766/ "$root/etc/rtpengine/rtpengine.conf"
  lint
  found 0
}

@test "lint: rtpproxy's options are one range, which the ephemeral range may lie in" {
  file /etc/default/rtpproxy <<<'EXTRA_OPTS="-l 192.0.2.1 -m 30000 -M 65000"'
  lint
  found 1 "ephemeral warning /etc/default/rtpproxy:1 28232"
  sed -i 's/65000/32000/' "$root/etc/default/rtpproxy"
  lint
  found 0
}

@test "lint: RabbitMQ's tools, by default" {
  file /etc/rabbitmq/rabbitmq-env.conf <<<'#NODENAME=x'
  lint
  found 1 "ephemeral warning /etc/rabbitmq/rabbitmq-env.conf:null 11"
  printf 'CTL_DIST_PORT_MIN=25700\nCTL_DIST_PORT_MAX=25710\n' | file /etc/rabbitmq/rabbitmq-env.conf
  lint
  found 0
  # Distribution between nodes, which a firewall's rules made a range of.
  printf 'distribution.listener.port_range.min = 44001\ndistribution.listener.port_range.max = 44010\n' |
    file /etc/rabbitmq/rabbitmq.conf
  lint
  found 1 "ephemeral warning /etc/rabbitmq/rabbitmq.conf:1 10"
}

@test "lint: Kubernetes' NodePorts under a widened ephemeral range" {
  file /etc/kubernetes/manifests/kube-apiserver.yaml <<'END'
apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-apiserver
    - --secure-port=6443
    - --service-node-port-range=30000-32767
END
  lint
  found 0
  # As guides for busy hosts have it.
  echo 'net.ipv4.ip_local_port_range = 15000 65000' >"$root/etc/sysctl.d/90-net.conf"
  lint
  found 1 "ephemeral warning /etc/kubernetes/manifests/kube-apiserver.yaml:8 2768"
  echo 'net.ipv4.ip_local_reserved_ports = 30000-32767' >"$root/etc/sysctl.d/91-nodeports.conf"
  lint
  found 0
}

@test "lint: NodePorts that were moved up: the API server's, Rancher's K3s and RKE" {
  file /etc/kubernetes/manifests/kube-apiserver.yaml <<'END'
apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-apiserver
    - --service-node-port-range=30000-40000
END
  lint
  found 1 "ephemeral warning /etc/kubernetes/manifests/kube-apiserver.yaml:7 7233"
  rm "$root/etc/kubernetes/manifests/kube-apiserver.yaml"
  printf 'write-kubeconfig-mode: "0644"\nkube-apiserver-arg:\n  - service-node-port-range=1000-40000\n' |
    file /etc/rancher/k3s/config.yaml
  lint
  found 1 "ephemeral warning /etc/rancher/k3s/config.yaml:3 7233"
  printf 'service-node-port-range: 30000-32767\n' | file /etc/rancher/k3s/config.yaml
  lint
  found 0
  rm "$root/etc/rancher/k3s/config.yaml"
  printf 'nodes:\n- address: 192.0.2.1\nservices:\n  kube-api:\n    service_node_port_range: 32000-60000\n' |
    file /opt/rke/cluster.yml
  lint
  found 1 "ephemeral warning /opt/rke/cluster.yml:5 27233"
  sed -i s/32000-60000/30000-32767/ "$root/opt/rke/cluster.yml"
  lint
  found 0
  # A service of the host in the range, to which kube-proxy's rules come first.
  printf 'listener 31883\n' | file /etc/mosquitto/conf.d/x.conf
  lint
  found 1 "nodeport warning /etc/mosquitto/conf.d/x.conf:1 1"
}

@test "lint: the range of Erlang's distribution, in vm.args and in sys.config" {
  printf -- '-name riak@127.0.0.1\n-kernel inet_dist_listen_min 30000 inet_dist_listen_max 65000\n' | file /etc/riak/vm.args
  lint
  found 1 "ephemeral warning /etc/riak/vm.args:2 28232"
  sed -i 's/65000/30100/' "$root/etc/riak/vm.args"
  file /etc/riak/advanced.config <<'END'
%% Erlang's own
[{kernel, [
   {inet_dist_listen_min, 44000}, % it's the first
   {inet_dist_listen_max, 44009}]},
 {rabbit, [{tcp_listeners, [{"127.0.0.1", 5672}]}]}].
END
  lint
  found 1 "ephemeral warning /etc/riak/advanced.config:3 10"
  sed -i 's/4400\([09]\)/2500\1/' "$root/etc/riak/advanced.config"
  lint
  found 0
}

@test "lint: a unit's command line has a range, and a drop-in takes it back" {
  printf '[Service]\nExecStart=/usr/bin/ray start --head --port=6379 --min-worker-port 10002 --max-worker-port=65535\n' |
    file /etc/systemd/system/ray.service
  lint
  found 1 "ephemeral warning /etc/systemd/system/ray.service:2 28232"
  printf '[Service]\nExecStart=\nExecStart=/usr/bin/ray start --head --min-worker-port 10002 --max-worker-port 19999\n' |
    file /etc/systemd/system/ray.service.d/ports.conf
  lint
  found 0
  # What comes later wins, and an empty assignment forgets; both ends count as one range.
  printf '[Service]\nEnvironment=MEDIASOUP_MIN_PORT=40000 MEDIASOUP_MAX_PORT=49999\n' | file /etc/systemd/system/sfu.service
  lint
  found 1 "ephemeral warning /etc/systemd/system/sfu.service:2 10000"
  printf '[Service]\nEnvironment="MEDIASOUP_MIN_PORT=20000" "MEDIASOUP_MAX_PORT=29999"\n' |
    file /etc/systemd/system/sfu.service.d/ports.conf
  lint
  found 0
  printf '[Service]\nEnvironment=\n' | file /etc/systemd/system/sfu.service.d/ports.conf
  lint
  found 0
}

@test "lint: ports that a default, or a package's own file, puts into the ephemeral range" {
  printf '[mysqld]\nbind-address = 127.0.0.1\n' | file /etc/mysql/mysql.conf.d/mysqld.cnf
  lint
  found 1 "ephemeral error /etc/mysql/mysql.conf.d/mysqld.cnf:null 1"
  echo 'mysqlx = OFF' >>"$root/etc/mysql/mysql.conf.d/mysqld.cnf"
  printf 'ssh\t22/tcp\ndb2c_db2inst1\t50000/tcp\nDB2_db2inst1\t20000/tcp\n' | file /etc/services
  lint
  found 1 "ephemeral error /etc/services:2 1"
  sed -i s/50000/25000/ "$root/etc/services"
  printf '<hudson>\n<slaveAgentPort>50000</slaveAgentPort>\n</hudson>\n' | file /var/lib/jenkins/config.xml
  lint
  found 1 "ephemeral error /var/lib/jenkins/config.xml:2 1"
  sed -i s/50000/-1/ "$root/var/lib/jenkins/config.xml"
  lint
  found 0
}
