// A request by Java's own client. It reads no variable, so the gateway's token
// is given to it by hand; the proxy and the trust come as properties.
import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        String[] user = URI.create(System.getenv("HTTPS_PROXY")).getUserInfo().split(":");
        Authenticator token = new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(user[0], user[1].toCharArray());
            }
        };
        HttpClient client = HttpClient.newBuilder()
            .proxy(ProxySelector.getDefault())
            .authenticator(token)
            .build();
        URI models = URI.create("https://api.openai.com/v1/models");
        HttpRequest request = HttpRequest.newBuilder(models).build();
        System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
}
