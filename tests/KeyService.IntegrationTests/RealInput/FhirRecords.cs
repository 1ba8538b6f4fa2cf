using System.Text.Json;

namespace KeyService.IntegrationTests.RealInput;

internal sealed record PatientRow(
    string Id, string? Family, string? Given, string? BirthDate, string? Gender, string? Address, string Document);

internal sealed record EncounterRow(
    string Id, string PatientId, string? Class, string? Type, string? Started, string? Ended, string Document);

internal sealed record ObservationRow(
    string Id, string PatientId, string? EncounterId, string? Code, string? Display, string? Effective, string? Value, string Document);

/// <summary>
/// Patients, encounters and observations of FHIR R4 bundles, as the rows an EHR would hold; the whole resource stays in
/// <c>Document</c>.
/// </summary>
internal sealed class FhirRecords
{
    private readonly Dictionary<string, PatientRow> patients = [];
    private readonly Dictionary<string, EncounterRow> encounters = [];
    private readonly Dictionary<string, ObservationRow> observations = [];

    public IReadOnlyCollection<PatientRow> Patients => patients.Values;

    public IReadOnlyCollection<EncounterRow> Encounters => encounters.Values;

    public IReadOnlyCollection<ObservationRow> Observations => observations.Values;

    /// <summary>The CC0 sample that stands in the repository.</summary>
    public static string SampleDirectory => Path.Combine(Infrastructure.RepositoryRoot, "tests", "data", "fhir");

    public static FhirRecords Load(IEnumerable<string> bundles)
    {
        var records = new FhirRecords();
        foreach (var file in bundles)
        {
            using var bundle = JsonDocument.Parse(File.ReadAllBytes(file));
            foreach (var entry in bundle.RootElement.GetProperty("entry").EnumerateArray())
            {
                records.Add(entry.GetProperty("resource"));
            }
        }
        return records;
    }

    private void Add(JsonElement resource)
    {
        var id = resource.GetProperty("id").GetString()!;
        var document = resource.GetRawText();
        switch (resource.GetProperty("resourceType").GetString())
        {
            case "Patient":
                patients[id] = new PatientRow(
                    id, Text(resource, "name", 0, "family"), Text(resource, "name", 0, "given", 0), Text(resource, "birthDate"),
                    Text(resource, "gender"), At(resource, "address", 0)?.GetRawText(), document);
                break;
            case "Encounter":
                encounters[id] = new EncounterRow(
                    id, Reference(resource, "subject")!, Text(resource, "class", "code"), Text(resource, "type", 0, "coding", 0, "display"),
                    Text(resource, "period", "start"), Text(resource, "period", "end"), document);
                break;
            case "Observation":
                observations[id] = new ObservationRow(
                    id, Reference(resource, "subject")!, Reference(resource, "encounter"), Text(resource, "code", "coding", 0, "code"),
                    Text(resource, "code", "coding", 0, "display"), Text(resource, "effectiveDateTime"), Value(resource), document);
                break;
        }
    }

    // value[x]: whatever kind of value the observation has.
    private static string? Value(JsonElement observation) =>
        observation.EnumerateObject().Where(property => property.Name.StartsWith("value", StringComparison.Ordinal))
            .Select(property => property.Value.GetRawText()).FirstOrDefault();

    // "Patient/example" in HL7's examples, "urn:uuid:…" in Synthea's bundles.
    private static string? Reference(JsonElement resource, string property) =>
        Text(resource, property, "reference") is { } reference ? reference[(reference.LastIndexOfAny(['/', ':']) + 1)..] : null;

    private static string? Text(JsonElement element, params object[] path) => At(element, path)?.GetString();

    private static JsonElement? At(JsonElement element, params object[] path)
    {
        foreach (var step in path)
        {
            if (step is string name && element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var property))
            {
                element = property;
            }
            else if (step is int index && element.ValueKind == JsonValueKind.Array && element.GetArrayLength() > index)
            {
                element = element[index];
            }
            else
            {
                return null;
            }
        }
        return element;
    }
}
