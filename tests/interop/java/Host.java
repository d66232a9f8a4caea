import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.InputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of other classes, one after the other, in one virtual machine.
 *
 * A request is a count of texts and the texts: the class, what it reads as standard input, and its
 * arguments. The answer is the exit code and what the class wrote. Every text has its length in
 * bytes before it; numbers are 32 bits, big-endian.
 */
public final class Host {
    private static final class Ended extends Error {
        final int code;

        Ended(int code) {
            super("exit code " + code, null, false, false);
            this.code = code;
        }
    }

    public static void main(String[] unused) throws IOException {
        PrintStream ownOutput = System.out;
        InputStream ownInput = System.in;
        DataInputStream requests = new DataInputStream(ownInput);
        DataOutputStream answers = new DataOutputStream(ownOutput);
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code);
        });
        Exit.setHaltProcedure((code, message) -> {
            throw new Ended(code);
        });
        while (true) {
            String[] texts;
            try {
                texts = new String[requests.readInt()];
            } catch (EOFException end) {
                System.exit(0);
                return;
            }
            for (int i = 0; i < texts.length; i++) {
                texts[i] = new String(
                    requests.readNBytes(requests.readInt()), StandardCharsets.UTF_8);
            }
            ByteArrayOutputStream written = new ByteArrayOutputStream();
            PrintStream output = new PrintStream(written, true);
            System.setOut(output);
            System.setErr(output);
            System.setIn(new ByteArrayInputStream(texts[1].getBytes(StandardCharsets.UTF_8)));
            String[] arguments = new String[texts.length - 2];
            System.arraycopy(texts, 2, arguments, 0, arguments.length);
            int code = run(texts[0], arguments);
            output.flush();
            answers.writeInt(code);
            answers.writeInt(written.size());
            answers.write(written.toByteArray());
            answers.flush();
        }
    }

    /** The exit code; a main method that returns has ended well. */
    private static int run(String className, String[] arguments) {
        try {
            Method main = Class.forName(className).getMethod("main", String[].class);
            main.invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof Ended ended) {
                return ended.code;
            }
            thrown.getCause().printStackTrace();
            return 70;
        } catch (ReflectiveOperationException unknown) {
            unknown.printStackTrace();
            return 71;
        }
    }
}
