import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.spark.sql.SparkSession;

/**
 * Runs SQL statements for spark.ts: each line of standard input is a statement in base64; each is answered by the lines
 * "row JSON", then "end", or by "error" and a text in base64. Options are the arguments, as KEY=VALUE.
 */
public class SparkStatements {
  public static void main(String[] args) throws Exception {
    // Whatever else prints must not get between the answers.
    PrintStream answers = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "UTF-8");
    System.setOut(System.err);
    SparkSession.Builder builder = SparkSession.builder().enableHiveSupport();
    for (String arg : args) {
      int split = arg.indexOf('=');
      builder.config(arg.substring(0, split), arg.substring(split + 1));
    }
    SparkSession spark = builder.getOrCreate();
    answers.println("end");
    answers.flush();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      String statement = new String(Base64.getDecoder().decode(line), StandardCharsets.UTF_8);
      try {
        for (String row : spark.sql(statement).toJSON().collectAsList()) answers.println("row " + row);
        answers.println("end");
      } catch (Exception error) {
        String text = String.valueOf(error);
        answers.println("error " + Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8)));
      }
      answers.flush();
    }
    spark.stop();
  }
}
