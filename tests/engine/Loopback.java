import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** Starts DynamoDB Local on the loopback address alone: its own options listen on every address of the machine. */
public class Loopback {
    public static void main(String[] options) throws Exception {
        DynamoDBProxyServer engine = ServerRunner.createServerFromCommandLineArgs(options);
        int bound = 0;
        for (Field field : DynamoDBProxyServer.class.getDeclaredFields()) {
            if (Server.class.isAssignableFrom(field.getType())) {
                field.setAccessible(true);
                for (Connector connector : ((Server) field.get(engine)).getConnectors()) {
                    ((ServerConnector) connector).setHost("127.0.0.1");
                    bound++;
                }
            }
        }
        if (bound == 0) {
            throw new IllegalStateException("no connector to bind to loopback: another version of DynamoDB Local?");
        }
        engine.start();
        engine.join();
    }
}
