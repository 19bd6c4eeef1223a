package cryocohort.hapi;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * HAPI FHIR JPA on the loopback interface: {@code HapiServer (R4|R5) PORT JDBC-URL}.
 *
 * <p>Answers under /fhir until the process is told to end.
 */
public final class HapiServer {

    // What HAPI's public starter serves; the library alone gives 50 at most.
    private static final int MAX_PAGE_SIZE = 200;

    private HapiServer() {}

    /** Starts the server and returns once it answers; Jetty's threads keep the process alive. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3) {
            throw new IllegalArgumentException("usage: HapiServer (R4|R5) PORT JDBC-URL");
        }
        System.setProperty(StorageConfig.JDBC_URL, arguments[2]);
        var context = new AnnotationConfigApplicationContext(versionConfig(arguments[0]), StorageConfig.class);
        context.registerShutdownHook();
        moveJobsOn(context.getBean(IJobMaintenanceService.class));
        serve(restfulServer(context), Integer.parseInt(arguments[1]));
    }

    /** By itself HAPI moves a batch job one step on each minute, and an export has several steps. */
    private static void moveJobsOn(IJobMaintenanceService jobs) {
        var timer = Executors.newSingleThreadScheduledExecutor(task -> {
            var thread = new Thread(task, "jobs");
            thread.setDaemon(true);
            return thread;
        });
        timer.scheduleWithFixedDelay(
                () -> {
                    try {
                        jobs.runMaintenancePass();
                    } catch (RuntimeException error) {
                        System.err.println("A pass over the batch jobs failed: " + error);
                    }
                },
                1,
                1,
                TimeUnit.SECONDS);
    }

    private static Class<?> versionConfig(String version) {
        return switch (version) {
            case "R4" -> ca.uhn.fhir.jpa.config.r4.JpaR4Config.class;
            case "R5" -> ca.uhn.fhir.jpa.config.r5.JpaR5Config.class;
            default -> throw new IllegalArgumentException("R4 or R5, not " + version);
        };
    }

    private static RestfulServer restfulServer(ApplicationContext context) {
        IFhirSystemDao<?, ?> systemDao = context.getBean(IFhirSystemDao.class);
        var server = new RestfulServer(systemDao.getContext());
        server.registerProviders(context.getBean(ResourceProviderFactory.class).createProviders());
        server.registerProvider(context.getBean(JpaSystemProvider.class));
        server.registerProvider(context.getBean(BulkDataExportProvider.class));
        var paging = context.getBean(DatabaseBackedPagingProvider.class);
        paging.setMaximumPageSize(MAX_PAGE_SIZE);
        server.setPagingProvider(paging);
        server.setDefaultResponseEncoding(EncodingEnum.JSON);
        server.setServerConformanceProvider(new JpaCapabilityStatementProvider(
                server,
                systemDao,
                context.getBean(JpaStorageSettings.class),
                context.getBean(ISearchParamRegistry.class),
                context.getBean(IValidationSupport.class)));
        return server;
    }

    private static void serve(RestfulServer fhir, int port) throws Exception {
        var servlets = new ServletContextHandler("/");
        servlets.addServlet(new ServletHolder(fhir), "/fhir/*");
        var server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        server.setHandler(servlets);
        server.setStopAtShutdown(true);
        server.start();
    }
}
