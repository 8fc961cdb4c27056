import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after the other in one JVM, because starting one for each takes longer than what
 * they do. Reads a line per tool from its input: a file for the tool's standard input or nothing, the class, and the
 * arguments, with tabs between. Prints what the tool prints, on both streams, and then a line of MARK and its status.
 */
public class KafkaTools {
  static final String MARK = "== exit ";

  /** The status of the tool that runs. */
  static CompletableFuture<Integer> ended = new CompletableFuture<>();
  static final Queue<Runnable> hooks = new ConcurrentLinkedQueue<>();
  static Map<Thread, Thread> ofJvm;
  static Set<Thread> known;

  /** In place of the JVM's end: nothing that stands behind a call of exit() may run. */
  static void exit(int status, String message) {
    if (message != null) System.out.println(message);
    ended.complete(status);
    while (true) LockSupport.park();
  }

  static void call(String main, String[] args) {
    int status = 0;
    try {
      Class.forName(main).getMethod("main", String[].class).invoke(null, (Object) args);
    } catch (InvocationTargetException thrown) {
      thrown.getCause().printStackTrace();
      status = 70;
    } catch (ReflectiveOperationException thrown) {
      thrown.printStackTrace();
      status = 71;
    }
    ended.complete(status);
  }

  static int run(String main, String[] args) throws Exception {
    ended = new CompletableFuture<>();
    Thread thread = new Thread(() -> call(main, args), main);
    thread.setDaemon(true);
    thread.start();
    int status = ended.get();
    // Some tools finish their work in what the JVM would run at its end.
    for (Runnable hook = hooks.poll(); hook != null; hook = hooks.poll()) hook.run();
    for (Thread hook : new ArrayList<>(ofJvm.keySet())) {
      if (known.contains(hook)) continue;
      Runtime.getRuntime().removeShutdownHook(hook);
      hook.run();
    }
    return status;
  }

  /** The JVM has no other way to its hooks than by this field; java.lang is opened on the command line. */
  @SuppressWarnings("unchecked")
  static void findHooksOfJvm() throws ReflectiveOperationException {
    Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
    field.setAccessible(true);
    ofJvm = (Map<Thread, Thread>) field.get(null);
    known = new HashSet<>(ofJvm.keySet());
  }

  public static void main(String[] none) throws Exception {
    findHooksOfJvm();
    Exit.setExitProcedure(KafkaTools::exit);
    Exit.setHaltProcedure(KafkaTools::exit);
    Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
    PrintStream out = System.out;
    System.setErr(out);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split("\t", -1);
      InputStream input =
          words[0].isEmpty() ? new ByteArrayInputStream(new byte[0]) : new FileInputStream(words[0]);
      System.setIn(input);
      int status = run(words[1], Arrays.copyOfRange(words, 2, words.length));
      input.close();
      out.println();
      out.println(MARK + status);
      out.flush();
    }
    // Threads that a tool left must not keep the JVM.
    Runtime.getRuntime().halt(0);
  }
}
