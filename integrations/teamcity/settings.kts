import jetbrains.buildServer.configs.kotlin.*
import jetbrains.buildServer.configs.kotlin.buildSteps.ScriptBuildStep
import jetbrains.buildServer.configs.kotlin.buildSteps.script

version = "2024.03"

project {
    params {
        param("env.CIBEACON_DX_URL", "acme") // https://acme.getdx.net
        password("env.DX_API_TOKEN", "credentialsJSON:id-of-your-token")
    }
    buildType(Shop)
}

object Shop : BuildType({
    name = "Shop"
    vcs { root(DslContext.settingsRoot) }
    steps {
        cibeacon("running", BuildStep.ExecutionMode.DEFAULT)
        script {
            name = "Build"
            scriptContent = "make"
        }
        cibeacon("success", BuildStep.ExecutionMode.RUN_ON_SUCCESS)
        cibeacon("failure", BuildStep.ExecutionMode.RUN_ONLY_ON_FAILURE)
    }
})

/** A step that reports the build to DX. */
fun BuildSteps.cibeacon(status: String, mode: BuildStep.ExecutionMode) {
    script {
        name = "Report: $status"
        executionMode = mode
        dockerImage = "ghcr.io/cibeacon/cibeacon:v1"
        dockerImagePlatform = ScriptBuildStep.ImagePlatform.Linux
        scriptContent = "cibeacon report --status $status || true"
    }
}
