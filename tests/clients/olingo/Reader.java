import com.google.gson.GsonBuilder;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import org.apache.olingo.odata2.api.client.batch.BatchChangeSet;
import org.apache.olingo.odata2.api.client.batch.BatchChangeSetPart;
import org.apache.olingo.odata2.api.client.batch.BatchPart;
import org.apache.olingo.odata2.api.client.batch.BatchQueryPart;
import org.apache.olingo.odata2.api.client.batch.BatchSingleResponse;
import org.apache.olingo.odata2.api.edm.Edm;
import org.apache.olingo.odata2.api.edm.EdmEntitySet;
import org.apache.olingo.odata2.api.edm.EdmEntitySetInfo;
import org.apache.olingo.odata2.api.edm.EdmNavigationProperty;
import org.apache.olingo.odata2.api.edm.EdmProperty;
import org.apache.olingo.odata2.api.ep.EntityProvider;
import org.apache.olingo.odata2.api.ep.EntityProviderReadProperties;
import org.apache.olingo.odata2.api.ep.EntityProviderWriteProperties;
import org.apache.olingo.odata2.api.ep.entry.ODataEntry;
import org.apache.olingo.odata2.api.ep.feed.ODataFeed;

/**
 * What Apache Olingo reads in the documents of a folder, as JSON.
 *
 * <p>The first argument is the folder; each further one is a job, {@code kind|file|set|content type}. The answer has
 * what each job read by its file, or the words of the exception under {@code error}.
 */
public final class Reader {
  private static final String JSON = "application/json";

  private final Path folder;
  private Edm edm;

  private Reader(Path folder) {
    this.folder = folder;
  }

  public static void main(String[] arguments) {
    Reader reader = new Reader(Path.of(arguments[0]));
    Map<String, Object> found = new LinkedHashMap<>();
    for (String job : Arrays.asList(arguments).subList(1, arguments.length)) {
      String[] words = job.split("\\|", -1);
      try {
        found.put(words[1], reader.read(words[0], words[1], words[2], words[3]));
      } catch (Exception error) {
        found.put(words[1], Map.of("error", words(error)));
      }
    }
    byte[] answer = new GsonBuilder().serializeNulls().create().toJson(found).getBytes(StandardCharsets.UTF_8);
    System.out.write(answer, 0, answer.length);
    System.out.flush();
  }

  private static String words(Throwable error) {
    return error + (error.getCause() == null ? "" : " < " + words(error.getCause()));
  }

  private Object read(String kind, String file, String setName, String contentType) throws Exception {
    InputStream body = new ByteArrayInputStream(Files.readAllBytes(folder.resolve(file)));
    EdmEntitySet set = setName.isEmpty() ? null : edm.getDefaultEntityContainer().getEntitySet(setName);
    EntityProviderReadProperties how = EntityProviderReadProperties.init().mergeSemantic(false).build();
    switch (kind) {
      case "metadata":
        edm = EntityProvider.readMetadata(body, true);
        return schema();
      case "service":
        List<String> names = new ArrayList<>();
        for (EdmEntitySetInfo each : EntityProvider.readServiceDocument(body, contentType).getEntitySetsInfo()) {
          names.add(each.getEntitySetName());
        }
        return names;
      case "feed":
        return plain(EntityProvider.readFeed(contentType, set, body, how));
      case "entry":
        return plain(EntityProvider.readEntry(contentType, set, body, how));
      case "link":
        return EntityProvider.readLink(contentType, set, body);
      case "links":
        return EntityProvider.readLinks(contentType, set, body);
      case "name":
        EdmProperty name = (EdmProperty) set.getEntityType().getProperty("name");
        return EntityProvider.readProperty(contentType, name, body, how);
      case "home":
        EdmProperty home = (EdmProperty) set.getEntityType().getProperty("home");
        return EntityProvider.readProperty(contentType, home, body, how);
      case "batch":
        List<Object> answers = new ArrayList<>();
        for (BatchSingleResponse each : EntityProvider.parseBatchResponse(body, contentType)) {
          answers.add(Arrays.asList(each.getStatusCode(), each.getBody()));
        }
        return answers;
      case "batch request":
        return new String(batch(new String(body.readAllBytes(), StandardCharsets.UTF_8), set).readAllBytes(),
            StandardCharsets.UTF_8);
      default:
        throw new IllegalArgumentException(kind);
    }
  }

  /** A batch to the service at that URL: a changeset that makes and changes an entity, and a list. */
  private static InputStream batch(String url, EdmEntitySet set) throws Exception {
    Calendar born = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
    born.setTimeInMillis(482196050520L);
    Map<String, Object> values = new TreeMap<>();
    values.put("__id", "of-olingo");
    values.put("name", "泉");
    values.put("age", 12);
    values.put("born", born);
    values.put("home", Map.of("city", "札幌", "street", "北1条"));
    EntityProviderWriteProperties how = EntityProviderWriteProperties.serviceRoot(new java.net.URI(url))
        .omitJsonWrapper(true).contentOnly(true).omitETag(true).isDataBasedPropertySerialization(true).build();
    InputStream made = (InputStream) EntityProvider.writeEntry(JSON, set, values, how).getEntity();
    Map<String, String> headers = Map.of("Content-Type", JSON, "Accept", JSON);
    BatchChangeSet changes = BatchChangeSet.newBuilder().build();
    changes.add(BatchChangeSetPart.method("POST").uri("Person").headers(headers).contentId("1")
        .body(new String(made.readAllBytes(), StandardCharsets.UTF_8)).build());
    changes.add(BatchChangeSetPart.method("MERGE").uri("Person('of-olingo')").headers(headers).contentId("2")
        .body("{\"age\":13}").build());
    List<BatchPart> parts = new ArrayList<>();
    parts.add(changes);
    parts.add(BatchQueryPart.method("GET").uri("Person?$filter=age%20eq%2013").headers(Map.of("Accept", JSON))
        .build());
    return EntityProvider.writeBatchRequest(parts, "batch_of_olingo");
  }

  /** The types of the properties of each set by name, and the set and the multiplicity where its ways lead. */
  private Object schema() throws Exception {
    Map<String, Object> sets = new TreeMap<>();
    for (EdmEntitySet set : edm.getEntitySets()) {
      Map<String, Object> described = new TreeMap<>();
      for (String each : set.getEntityType().getPropertyNames()) {
        described.put(each, set.getEntityType().getProperty(each).getType().toString());
      }
      for (String each : set.getEntityType().getNavigationPropertyNames()) {
        EdmNavigationProperty way = (EdmNavigationProperty) set.getEntityType().getProperty(each);
        described.put(each, set.getRelatedEntitySet(way).getName() + " " + way.getMultiplicity());
      }
      described.put("key", set.getEntityType().getKeyPropertyNames());
      sets.put(set.getName(), described);
    }
    return sets;
  }

  private static Object plain(Object value) {
    Map<String, Object> shown = new TreeMap<>();
    if (value instanceof ODataFeed) {
      ODataFeed feed = (ODataFeed) value;
      shown.put("count", feed.getFeedMetadata().getInlineCount());
      shown.put("next", feed.getFeedMetadata().getNextLink());
      List<Object> entries = new ArrayList<>();
      feed.getEntries().forEach(each -> entries.add(plain(each)));
      shown.put("entries", entries);
      return shown;
    }
    if (value instanceof ODataEntry) {
      ODataEntry entry = (ODataEntry) value;
      entry.getProperties().forEach((name, each) -> shown.put(name, plain(each)));
      String uri = entry.getMetadata().getUri();
      shown.put("(uri)", uri == null ? entry.getMetadata().getId() : uri);
      shown.put("(etag)", entry.getMetadata().getEtag());
      return shown;
    }
    if (value instanceof Calendar) {
      return ((Calendar) value).getTimeInMillis();
    }
    if (value instanceof Map) {
      ((Map<?, ?>) value).forEach((name, each) -> shown.put(String.valueOf(name), plain(each)));
      return shown;
    }
    return value;
  }
}
