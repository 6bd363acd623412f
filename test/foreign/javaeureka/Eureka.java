import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.appinfo.InstanceInfo;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import com.netflix.appinfo.MyDataCenterInstanceConfig;
import com.netflix.appinfo.providers.EurekaConfigBasedInstanceInfoProvider;
import com.netflix.config.ConfigurationManager;
import com.netflix.discovery.DefaultEurekaClientConfig;
import com.netflix.discovery.DiscoveryClient;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A program that knows nothing of adsum: it finds and registers servers by
 * Netflix' own client, which Spring Cloud wraps.
 */
public class Eureka {
    static final String USAGE = """
            Eureka watch BASE SERVICE                 print every list of addresses and zones until the input ends
            Eureka register BASE SERVICE HOST PORT    keep HOST:PORT registered until the input ends""";

    public static void main(String[] args) throws Exception {
        switch ((args.length > 0 ? args[0] : "") + args.length) {
            case "watch3" -> watch(args[1], args[2]);
            case "register5" -> register(args[1], args[2], args[3], args[4]);
            default -> throw new IllegalArgumentException(USAGE);
        }
    }

    static void watch(String base, String service) throws Exception {
        configure(Map.of("registration.enabled", "false", "client.refresh.interval", "1"), base);
        DiscoveryClient client = client("127.0.0.1", InstanceStatus.STARTING);
        Thread input = new Thread(Eureka::untilInputEnds);
        input.start();
        String printed = null;
        while (input.isAlive()) {
            String line = client.getInstancesByVipAddress(service, false).stream()
                    .map(Eureka::line).sorted().collect(Collectors.joining(" "));
            if (!line.equals(printed)) {
                System.out.println(line);
                printed = line;
            }
            Thread.sleep(50);
        }
        client.shutdown();
    }

    static String line(InstanceInfo in) {
        return in.getIPAddr() + ":" + in.getPort() + "@" + in.getMetadata().get("zone");
    }

    static void register(String base, String service, String host, String port) throws Exception {
        configure(Map.of(
                "shouldFetchRegistry", "false", "appinfo.initial.replicate.time", "0",
                "name", service, "vipAddress", service, "port", port, "metadata.zone", "eu-1", "metadata.weight", "10",
                "lease.renewalInterval", "1", "lease.duration", "3"), base);
        DiscoveryClient client = client(host, InstanceStatus.UP);
        System.out.println("registered");
        untilInputEnds();
        client.shutdown();
    }

    static void configure(Map<String, String> settings, String base) {
        var all = ConfigurationManager.getConfigInstance();
        settings.forEach((key, value) -> all.setProperty("eureka." + key, value));
        all.setProperty("eureka.serviceUrl.default", base + "/");
    }

    static DiscoveryClient client(String host, InstanceStatus status) {
        var config = new MyDataCenterInstanceConfig() {
            @Override
            public String getHostName(boolean refresh) {
                return host;
            }

            @Override
            public String getIpAddress() {
                return host;
            }
        };
        var manager = new ApplicationInfoManager(config, new EurekaConfigBasedInstanceInfoProvider(config).get());
        manager.setInstanceStatus(status);
        return new DiscoveryClient(manager, new DefaultEurekaClientConfig());
    }

    static void untilInputEnds() {
        try {
            System.in.transferTo(OutputStream.nullOutputStream());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
