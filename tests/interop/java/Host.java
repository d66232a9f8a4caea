import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of other classes, one after the other, in one virtual machine.
 *
 * A request is a count of texts and the texts: the class, what it reads as standard input, and its
 * arguments. The answer is the exit code, the standard output and the errors. Every text has its
 * length in bytes before it; numbers are 32 bits, big-endian.
 */
public final class Host {
    /** Thrown in the place of an exit; a tool may catch it and exit again, which does not count. */
    private static final class Ended extends Error {
        private static final long serialVersionUID = 1;

        Ended() {
            super(null, null, false, false);
        }

        @Override
        public void printStackTrace() {}
    }

    private static Integer exitCode;
    private static final List<Runnable> hooks = new ArrayList<>();

    private static void end(int code, String unused) {
        if (exitCode == null) {
            exitCode = code;
        }
        throw new Ended();
    }

    public static void main(String[] unused) throws IOException {
        PrintStream ownOutput = System.out;
        InputStream ownInput = System.in;
        DataInputStream requests = new DataInputStream(ownInput);
        DataOutputStream answers = new DataOutputStream(ownOutput);
        Exit.setExitProcedure(Host::end);
        Exit.setHaltProcedure(Host::end);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
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
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            ByteArrayOutputStream errors = new ByteArrayOutputStream();
            System.setOut(new PrintStream(output, true));
            System.setErr(new PrintStream(errors, true));
            System.setIn(new ByteArrayInputStream(texts[1].getBytes(StandardCharsets.UTF_8)));
            String[] arguments = new String[texts.length - 2];
            System.arraycopy(texts, 2, arguments, 0, arguments.length);
            int code = run(texts[0], arguments);
            hooks.forEach(Runnable::run);
            hooks.clear();
            System.out.flush();
            answers.writeInt(code);
            for (ByteArrayOutputStream written : List.of(output, errors)) {
                byte[] bytes = written.toByteArray();
                answers.writeInt(bytes.length);
                answers.write(bytes);
            }
            answers.flush();
        }
    }

    /** The exit code; a main method that returns has ended well. */
    private static int run(String className, String[] arguments) {
        exitCode = null;
        try {
            Method main = Class.forName(className).getMethod("main", String[].class);
            main.invoke(null, (Object) arguments);
        } catch (InvocationTargetException thrown) {
            if (exitCode == null) {
                thrown.getCause().printStackTrace();
                return 70;
            }
        } catch (ReflectiveOperationException unknown) {
            unknown.printStackTrace();
            return 71;
        }
        return exitCode == null ? 0 : exitCode;
    }
}
