// One server and one client of JSSE, the TLS stack of the Java platform, in one
// process. JSSE still supports what the other stacks have dropped: SSLv3, the
// SSLv2-compatible ClientHello, export and static ECDH suites.
//
//   java Handshake.java PORT KEYSTORE PROTOCOLS SUITES TIMES
//
// KEYSTORE is a PKCS #12 file with the password "secret", or - for none. For
// each connection the program prints the protocol, the suite, the client's port,
// and whether the session was resumed.

import java.io.FileInputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.HashSet;
import java.util.Set;
import javax.net.ssl.*;

public class Handshake {
    public static void main(String[] args) throws Exception {
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.tls.legacyAlgorithms", "");
        Security.setProperty("jdk.certpath.disabledAlgorithms", "");
        char[] password = "secret".toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(args[1].equals("-") ? null : new FileInputStream(args[1]), password);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, password);

        SSLContext serverSide = SSLContext.getInstance("TLS");
        serverSide.init(keys.getKeyManagers(), null, null);
        InetAddress here = InetAddress.getByName("127.0.0.1");
        SSLServerSocket listener = (SSLServerSocket) serverSide.getServerSocketFactory().createServerSocket(Integer.parseInt(args[0]), 5, here);
        listener.setEnabledProtocols(args[2].split(","));
        listener.setEnabledCipherSuites(args[3].split(","));
        Thread server = new Thread(() -> {
            while (true) {
                try (Socket s = listener.accept()) {
                    s.getOutputStream().write(s.getInputStream().readNBytes(5));
                    s.getInputStream().read();
                } catch (Exception e) {
                    System.err.println("server: " + e);
                    if (listener.isClosed()) {
                        return;
                    }
                }
            }
        });
        server.setDaemon(true);
        server.start();

        SSLContext clientSide = SSLContext.getInstance("TLS");
        clientSide.init(null, new TrustManager[] {new TrustAll()}, null);
        Set<Long> seen = new HashSet<>();
        for (int i = 0; i < Integer.parseInt(args[4]); i++) {
            try (SSLSocket s = (SSLSocket) clientSide.getSocketFactory().createSocket(here, Integer.parseInt(args[0]))) {
                s.setEnabledProtocols(args[2].split(","));
                s.setEnabledCipherSuites(args[3].split(","));
                s.startHandshake();
                s.getOutputStream().write("hello".getBytes());
                s.getInputStream().readNBytes(5);
                SSLSession session = s.getSession();
                boolean resumed = !seen.add(session.getCreationTime());
                System.out.println("session " + session.getProtocol() + " " + session.getCipherSuite() + " " + s.getLocalPort() + " " + resumed);
            }
            Thread.sleep(50);
        }
        listener.close();
    }

    /** Trusts every certificate: the handshake is what counts here. */
    static class TrustAll extends X509ExtendedTrustManager {
        public void checkClientTrusted(X509Certificate[] c, String a, Socket s) {}
        public void checkServerTrusted(X509Certificate[] c, String a, Socket s) {}
        public void checkClientTrusted(X509Certificate[] c, String a, SSLEngine e) {}
        public void checkServerTrusted(X509Certificate[] c, String a, SSLEngine e) {}
        public void checkClientTrusted(X509Certificate[] c, String a) {}
        public void checkServerTrusted(X509Certificate[] c, String a) {}
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }
}
