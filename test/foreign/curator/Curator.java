import java.util.Map;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.details.ServiceCacheListener;

/**
 * A program that knows nothing of adsum: it finds and registers servers by
 * Curator's own service discovery, with a map as payload.
 */
public class Curator {
    static final String USAGE = """
            Curator watch ZOOKEEPER BASE SERVICE                 print every list of addresses and zones until the input ends
            Curator register ZOOKEEPER BASE SERVICE HOST PORT    keep HOST:PORT registered until the input ends""";

    public static void main(String[] args) throws Exception {
        if (args.length < 4) {
            throw new IllegalArgumentException(USAGE);
        }
        try (CuratorFramework client = CuratorFrameworkFactory.newClient(args[1], new RetryOneTime(100));
                ServiceDiscovery<Map> discovery =
                        ServiceDiscoveryBuilder.builder(Map.class).client(client).basePath(args[2]).build()) {
            client.start();
            client.blockUntilConnected();
            discovery.start();
            switch (args[0] + args.length) {
                case "watch4" -> watch(discovery, args[3]);
                case "register6" -> register(discovery, args[3], args[4], Integer.parseInt(args[5]));
                default -> throw new IllegalArgumentException(USAGE);
            }
        }
    }

    static void watch(ServiceDiscovery<Map> discovery, String service) throws Exception {
        try (ServiceCache<Map> cache = discovery.serviceCacheBuilder().name(service).build()) {
            cache.addListener(new ServiceCacheListener() {
                @Override
                public void cacheChanged() {
                    print(cache);
                }

                @Override
                public void stateChanged(CuratorFramework client, ConnectionState state) {}
            });
            cache.start();
            print(cache);
            untilInputEnds();
        }
    }

    static synchronized void print(ServiceCache<Map> cache) {
        System.out.println(cache.getInstances().stream().map(Curator::line).sorted().collect(Collectors.joining(" ")));
    }

    static String line(ServiceInstance<Map> in) {
        Map<?, ?> payload = in.getPayload();
        String zone = payload == null || payload.get("zone") == null ? "" : "@" + payload.get("zone");
        return in.getAddress() + ":" + in.getPort() + zone;
    }

    static void register(ServiceDiscovery<Map> discovery, String service, String host, int port) throws Exception {
        ServiceInstance<Map> in = ServiceInstance.<Map>builder()
                .name(service).id(service + "-1").address(host).port(port)
                .payload(Map.of("zone", "eu-1", "weight", "10")).build();
        discovery.registerService(in);
        System.out.println("registered");
        untilInputEnds();
        discovery.unregisterService(in);
    }

    static void untilInputEnds() throws java.io.IOException {
        System.in.transferTo(java.io.OutputStream.nullOutputStream());
    }
}
